"""Offsets and comparisons of windows, on embeddings whose truth is known."""

import torch
import torch.nn.functional as F

from benchmarks.speaking.lags import AWAY, REACH, WINDOW, best_lags, told_apart

FRAMES = 130


def embedding(frames: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(frames, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_motion_that_is_late_is_found_late_in_every_window() -> None:
    sound = embedding(FRAMES, 0)
    for late in (-7, 0, 4):
        assert best_lags(sound.roll(late, 0), sound) == [late] * (FRAMES - WINDOW - 2 * REACH + 1)


def test_too_short_for_a_window_says_nothing() -> None:
    sound = embedding(WINDOW + 2 * REACH - 1, 0)
    assert best_lags(sound, sound) == []


def test_own_sound_is_told_from_foreign_and_distant_sound_and_not_from_itself() -> None:
    sound = embedding(FRAMES, 0)
    starts = range(0, FRAMES - WINDOW + 1, 5)
    foreign = told_apart(sound, sound, embedding(FRAMES, 1))
    assert len(foreign) == len(starts) ** 2
    assert all(foreign)
    distant = told_apart(sound, sound, sound, AWAY)
    assert len(distant) == sum(abs(a - b) >= AWAY for a in starts for b in starts)
    assert all(distant)
    assert told_apart(sound, sound, sound).count(False) == len(starts)  # a window does not beat itself
    # Motion that belongs to other sound prefers that one.
    assert not any(told_apart(embedding(FRAMES, 1)[:WINDOW], sound, embedding(FRAMES, 1)[:WINDOW]))
