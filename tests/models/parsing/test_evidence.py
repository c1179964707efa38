"""Reduced pictures and where points lie in them."""

import numpy as np
import pytest

from models.parsing.evidence import moved, reduced


@pytest.mark.parametrize(
    ("shape", "expected"), [((64, 64), (64, 64)), ((512, 512), (256, 256)), ((300, 600), (128, 256))]
)
def test_the_longest_side_is_bounded(shape, expected):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    small = reduced(picture)
    assert small.shape == (*expected, 3)
    if shape == expected:
        assert small is picture
    else:
        assert small.astype(float).mean() == pytest.approx(picture.astype(float).mean(), abs=0.5)


def test_a_point_stays_on_its_spot():
    picture = np.zeros((512, 512, 3), np.uint8)
    picture[100:120, 300:340] = 255
    point = np.array([[320.0, 110.0, 7.0]], np.float32)
    small = reduced(picture)
    there = moved(point, (512, 512), small.shape[:2])
    y, x = np.nonzero(small[..., 0])
    assert there[0, :2] == pytest.approx([(x + 0.5).mean(), (y + 0.5).mean()])
    assert there[0, 2] == 7
    assert point[0, 0] == 320  # the input is left alone
