"""Mel powers, pitch and voicing of signals whose answers are known."""

import numpy as np
import pytest

from models.speech.acoustics import MEL_BANDS, acoustics, mel_bank, pitch

RATE = 16000


def voice(frequency: float, seconds: float = 1.0, harmonics: int = 8) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return sum(0.2 / k * np.sin(2 * np.pi * k * frequency * t) for k in range(1, harmonics + 1)).astype(np.float32)


@pytest.mark.parametrize("frequency", [75.0, 100.0, 137.3, 220.0, 333.0])
def test_pitch_of_a_harmonic_sound(frequency: float) -> None:
    heard = acoustics(voice(frequency), 25, 25.0)[3:-3]
    assert np.allclose(100 * 2 ** heard[:, MEL_BANDS], frequency, rtol=0.01)
    assert heard[:, MEL_BANDS + 1].min() > 0.9


def test_pitch_is_that_of_the_normalised_autocorrelation() -> None:
    # r(lag) of a windowed stretch over that of the window, by brute force in float64.
    x = voice(150.0, 0.05).astype(np.float64) * np.hanning(800)
    window = np.hanning(800)
    x = x - x.sum() * window / window.sum()
    lags = np.arange(40, 267)
    r = np.array([(x[lag:] * x[:-lag]).sum() for lag in lags]) / (x @ x + 1e-6)
    r /= np.array([(window[lag:] * window[:-lag]).sum() for lag in lags]) / (window @ window)
    _, voicing = pitch((voice(150.0, 0.05).astype(np.float64) * window)[None])
    nearest = int(np.argmax(r[60:75])) + 60  # the first period: 107 samples
    assert voicing[0] == pytest.approx(min(r[nearest], 1.0), abs=1e-6)


def test_noise_and_silence_have_no_voice() -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=2 * RATE).astype(np.float32)
    assert np.median(acoustics(noise, 50, 25.0)[:, MEL_BANDS + 1]) < 0.5
    silent = acoustics(np.zeros(RATE, np.float32), 25, 25.0)
    assert np.allclose(silent[:, :MEL_BANDS], np.log(1e-4))
    assert np.abs(silent[:, MEL_BANDS:]).max() < 1e-6


def test_a_tone_is_in_its_band_and_ten_times_the_sound_is_a_hundred_times_the_power() -> None:
    t = np.arange(RATE) / RATE
    bank = mel_bank(MEL_BANDS, 512)
    for frequency in (300.0, 1000.0, 4000.0):
        tone = (0.05 * np.sin(2 * np.pi * frequency * t)).astype(np.float32)
        mel = acoustics(tone, 25, 25.0)[5:20, :MEL_BANDS]
        expected = int(bank[:, round(frequency / RATE * 512)].argmax())
        assert (mel.argmax(1) == expected).all()
        louder = acoustics(10 * tone, 25, 25.0)[5:20, :MEL_BANDS]
        assert np.allclose((louder - mel)[:, expected], np.log(100), atol=1e-3)


def test_rows_do_not_depend_on_how_many_are_asked_for() -> None:
    rng = np.random.default_rng(1)
    sound = rng.normal(scale=0.1, size=48 * RATE).astype(np.float32)
    whole = acoustics(sound, 1200, 25.0)
    assert np.array_equal(acoustics(sound, 1100, 25.0), whole[:1100])
    # A change of the sound is felt within 60 ms, not beyond.
    changed = sound.copy()
    changed[10 * RATE :] = 0
    moved = np.flatnonzero(np.any(acoustics(changed, 1200, 25.0) != whole, axis=1))
    assert moved[0] >= 10 * 25 - 2
    assert len(acoustics(sound[:10], 1, 25.0)) == 1
