"""Recordings of a clean voice: the sound keeps to its phones, and is not the same sound."""

import numpy as np
import pytest

from models.visemes.phones import Phone
from tasks.artifacts.audio import SAMPLE_RATE
from tasks.teaching.espeak import Synthesiser, Utterance, Voice
from tasks.teaching.recording import HISS_DB, THROATS, recorded, throat
from tasks.teaching.teacher import varied_lesson


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_another_throat_moves_pitch_and_phones_together(seed: int) -> None:
    """A tone's frequency rises as much as the times of its phones shrink."""
    said = throat(Utterance(tone(400.0), [Phone("AA", 0.0, 0.4), Phone("M", 0.4, 1.0)]), np.random.default_rng(seed))
    share = len(said.samples) / SAMPLE_RATE
    assert 100 / THROATS[1] - 0.01 <= share <= 100 / THROATS[0] + 0.01
    assert [phone.stop for phone in said.phones] == pytest.approx([0.4 * share, share], abs=1e-3)
    peak = np.argmax(np.abs(np.fft.rfft(said.samples * np.hanning(len(said.samples))))) / share
    assert peak == pytest.approx(400.0 / share, rel=0.01)


def test_recordings_keep_the_time_and_differ() -> None:
    """An impulse stays where it was; the seed draws the condition."""
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[8000] = 1.0
    made = [recorded(click, np.random.default_rng(seed)) for seed in range(12)]
    for sound in made:
        assert sound.shape == click.shape
        assert sound.dtype == np.float32
        assert abs(int(np.argmax(np.abs(sound))) - 8000) <= 2
    assert len({sound.tobytes() for sound in made}) == len(made)
    assert np.array_equal(made[0], recorded(click, np.random.default_rng(0)))


def test_silence_is_filled_by_noise_of_the_stated_level() -> None:
    levels = []
    for seed in range(12):
        sound = recorded(np.zeros(SAMPLE_RATE, np.float32), np.random.default_rng(seed))
        levels.append(10 * np.log10(np.mean(sound.astype(np.float64) ** 2)))
    assert HISS_DB[0] - 5 < min(levels) < max(levels) < HISS_DB[1] + 1  # darker noise is up to 3.5 dB quieter
    assert max(levels) - min(levels) > 8


def test_phones_cover_a_varied_lesson() -> None:
    made = varied_lesson(Synthesiser(), Voice("en-us+f2"), 3, 5)
    starts, stops = zip(*((phone.start, phone.stop) for phone in made.phones), strict=True)
    assert starts[1:] == pytest.approx(stops[:-1])
    assert stops[-1] == pytest.approx(len(made.samples) / SAMPLE_RATE, abs=1e-3)
    assert all(b > a for a, b in zip(starts, stops, strict=True))
