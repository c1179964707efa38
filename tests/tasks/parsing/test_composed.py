"""Composed labels: short gaps in the landmarks.  (The labels themselves: tests/tasks/test_parse.py.)"""

import numpy as np

from models.parsing.outline import FACE_OVAL, LIPS
from tasks.artifacts.landmarks import LandmarkTrack
from tasks.parsing.composed import calm_outline, fill_short_gaps


def test_short_gaps_are_interpolated():
    points = np.zeros((10, 3, 3), np.float32)
    points[:, 0, 0] = np.arange(10)
    points[[2, 3, 6, 7, 8, 9]] = np.nan
    filled, lost = fill_short_gaps(LandmarkTrack(np.arange(10), points, "mesh", 64), 2)
    assert list(filled[:6, 0, 0]) == [0, 1, 2, 3, 4, 5]
    assert list(lost) == [False] * 6 + [True] * 4
    assert np.isnan(points[2, 0, 0])  # the input is left alone
    assert list(fill_short_gaps(LandmarkTrack(np.arange(10), points, "mesh", 64), 1)[1][2:4]) == [True, True]


def test_only_the_outline_is_calmed():
    points = np.zeros((5, 478, 3), np.float32)
    points[2] = 4
    points[4] = np.nan
    calm = calm_outline(points)
    assert [float(x) for x in calm[:4, FACE_OVAL[0], 0]] == [0, 1, 2, 1]
    assert np.isnan(calm[4]).all()  # a lost face stays lost, and does not spread
    assert [float(x) for x in calm[:4, LIPS[0], 0]] == [0, 0, 4, 0]
    assert points[2].min() == 4
    points[3] = np.nan
    assert float(calm_outline(points)[2, FACE_OVAL[0], 0]) == 3
    assert float(calm_outline(points[2:3])[0, FACE_OVAL[0], 0]) == 4  # one frame has no neighbours
