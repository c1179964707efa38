"""Composed labels: short gaps in the landmarks.  (The labels themselves: tests/tasks/test_parse.py.)"""

import numpy as np

from tasks.artifacts.landmarks import LandmarkTrack
from tasks.parsing.composed import fill_short_gaps


def test_short_gaps_are_interpolated():
    points = np.zeros((10, 3, 3), np.float32)
    points[:, 0, 0] = np.arange(10)
    points[[2, 3, 6, 7, 8, 9]] = np.nan
    filled, lost = fill_short_gaps(LandmarkTrack(np.arange(10), points, "mesh", 64), 2)
    assert list(filled[:6, 0, 0]) == [0, 1, 2, 3, 4, 5]
    assert list(lost) == [False] * 6 + [True] * 4
    assert np.isnan(points[2, 0, 0])  # the input is left alone
    assert list(fill_short_gaps(LandmarkTrack(np.arange(10), points, "mesh", 64), 1)[1][2:4]) == [True, True]
