"""Closures on constructed openings, and phones from a recogniser that is not installed."""

import numpy as np
import pytest

from benchmarks.speaking import closures
from benchmarks.speaking.closures import EDGE, RATE, compare, phones


def test_shares_of_closures_are_counted() -> None:
    real, made = np.full(200, 4.0), np.full(200, 4.0)
    real[[50, 100, 150]] = 0.5
    made[[52, 100]] = 0.5  # one two frames late, one in time, one never
    made[180:] = np.nan
    labials = [(at / 25, (at + 2) / 25) for at in (49, 99, 149, 170, 190)]
    found = compare(real, made, labials, 1.0, 25.0)
    assert (found.labials, found.tracked, found.made) == (4, 0.75, 0.5)
    assert found.shared == pytest.approx(2 / 3)
    assert 0.0 < found.random < 0.25


def test_stretches_between_pauses_are_heard_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []

    def align(samples: bytes) -> list[tuple[str, float, float]]:
        lengths.append(len(samples) // 2 - 2 * len(EDGE))
        return [("M", 0.3, 0.4)]

    monkeypatch.setattr(closures, "_align", align)
    voice = np.ones(100)
    voice[40:50] = 0.0  # a pause
    voice[70:72] = 0.0  # none
    found = phones(np.zeros(4 * RATE, np.float32), voice, 25.0)
    assert lengths == [45 * RATE // 25, 55 * RATE // 25]
    assert [start for _, start, _ in found] == pytest.approx([0.1, 45 / 25 + 0.1])
