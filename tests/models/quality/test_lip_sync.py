"""Our measure of lips against sound, on made-up speech whose truth is known."""

import numpy as np
import pytest

from models.quality.lip_sync import CLEAR, LipSync, lip_sync, log_mel

FRAMES = 500


def speech(seed: int, frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """Mouth [N, 3] and sound [N * 640]: noise in two bands whose loudness follows two openings of the mouth."""
    rng = np.random.default_rng(seed)
    kernel = np.hanning(9) / np.hanning(9).sum()
    drives = np.abs(np.stack([np.convolve(rng.normal(size=frames), kernel, "same") for _ in range(2)], 1))
    drives /= drives.std(0)
    time = np.arange(frames * 640) / 640 - 0.5
    sound = np.zeros(len(time))
    for drive, (low, high) in zip(drives.T, ((200, 900), (1200, 4000)), strict=True):
        spectrum = np.fft.rfft(rng.normal(size=len(time)))
        frequency = np.fft.rfftfreq(len(time), 1 / 16000)
        spectrum[(frequency < low) | (frequency > high)] = 0
        band = np.fft.irfft(spectrum, len(time))
        sound += band / band.std() * np.interp(time, np.arange(frames), drive)
    mouth = np.stack([drives[:, 0], drives[:, 1], drives.sum(1)], 1) + rng.normal(0, 0.3, (frames, 3))
    return mouth, (0.05 * sound).astype(np.float32)


def compare(mouth: np.ndarray, sound: np.ndarray, parts: int = 1, voiced: np.ndarray | None = None) -> LipSync | None:
    part = np.repeat(np.arange(parts), len(mouth) // parts)
    voiced = np.ones(len(mouth), bool) if voiced is None else voiced
    return lip_sync(mouth, log_mel(sound, len(mouth)), voiced, part)


@pytest.mark.parametrize("late", [-9, -2, 0, 5, 11])
def test_a_known_offset_is_found_to_within_a_frame(late):
    mouth, sound = speech(0)
    found = compare(mouth, np.roll(sound, late * 640))
    assert found.found
    assert found.offset == pytest.approx(late / 25, abs=0.04)
    assert found.agreement > 0.9


def test_sound_of_another_moment_is_not_taken_for_this_one():
    for seed in range(3):
        mouth, _ = speech(seed)
        _, other = speech(seed + 10)
        found = compare(mouth, other)
        assert found.above_chance < CLEAR
        assert found.agreement < 0.75


def test_parts_of_a_clip_and_gaps_in_the_face_are_handled():
    mouth, sound = speech(4, 600)
    holes = mouth.copy()
    holes[100:130] = np.nan
    found = compare(holes, sound, parts=3)
    assert found.found
    assert found.offset == pytest.approx(0, abs=0.04)


def test_too_little_is_not_judged():
    mouth, sound = speech(5)
    assert compare(mouth[:90], sound[: 90 * 640]) is None
    assert compare(mouth, sound, voiced=np.zeros(FRAMES, bool)) is None
    assert compare(np.full_like(mouth, np.nan), sound) is None
    assert lip_sync(np.zeros((0, 3)), np.zeros((0, 24)), np.zeros(0, bool), np.zeros(0, int)) is None


def test_log_mel_sees_a_tone_in_its_band_at_its_time():
    sound = np.zeros(100 * 640)
    sound[40 * 640 : 60 * 640] = np.sin(2 * np.pi * 1000 * np.arange(20 * 640) / 16000)
    mel = log_mel(sound, 100)
    assert mel.shape == (100, 24)
    band = mel.max(0).argmax()
    assert (mel[42:58, band] > mel[:38, band].max() + 20).all()
    edges = 700 * (10 ** (np.linspace(*(2595 * np.log10(1 + np.array([80, 7600]) / 700)), 26) / 2595) - 1)
    assert edges[band] < 1000 < edges[band + 2]
