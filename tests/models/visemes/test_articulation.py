"""Closures and openings are counted where they are, within the tolerance and no further."""

import math

import numpy as np
import pytest

from models.visemes.articulation import TOLERANCE, articulation
from models.visemes.phones import Phone

REST = 4.0


def test_closures_and_vowels_are_counted() -> None:
    opening = np.full(100, 6.0)
    opening[20:23] = REST  # the first m closes, the second does not
    opening[60:65] = 9.0  # the first vowel opens, the second does not
    phones = [Phone("M", 0.8, 0.9), Phone("M", 1.6, 1.7), Phone("AA", 2.4, 2.6), Phone("AY", 3.0, 3.2)]
    made = articulation(phones, opening, REST, 25.0)
    assert (made.closed, made.opened, made.closures, made.vowels) == (0.5, 0.5, 2, 2)


def test_lips_that_shut_for_nothing_are_counted() -> None:
    """Of an s's 25 frames those count that are more than two frames from the m before and the silence after."""
    opening = np.full(60, 6.0)
    phones = [Phone("M", 0.0, 0.2), Phone("S", 0.2, 1.2), Phone("SIL", 1.2, 2.4)]
    counted = range(8, 28)  # the m ends at frame 5, the silence begins at frame 30; two more frames on either side
    assert articulation(phones, opening, REST, 25.0).shut == 0
    opening[:8] = opening[28:] = REST
    assert articulation(phones, opening, REST, 25.0).shut == 0
    opening[10:13] = REST
    assert articulation(phones, opening, REST, 25.0).shut == pytest.approx(3 / len(counted))


@pytest.mark.parametrize(("off", "counts"), [(TOLERANCE, 1.0), (TOLERANCE + 1, 0.0)])
def test_two_frames_early_count_and_three_do_not(off: int, counts: float) -> None:
    opening = np.full(100, 6.0)
    opening[50 - off] = REST
    assert articulation([Phone("P", 2.0, 2.08)], opening, REST, 25.0).closed == counts


def test_nothing_to_count() -> None:
    made = articulation([Phone("S", 0.0, 0.1), Phone("B", 3.9, 4.0)], np.zeros(100), REST, 25.0)
    assert (made.closures, made.vowels) == (0, 0)
    assert math.isnan(made.closed)
