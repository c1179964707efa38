"""CPBD on edges whose width is known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from models.metrics.sharpness import cpbd, upright_edges


def bars(width: int, low: float = 20, high: float = 220) -> np.ndarray:
    """[128, 128]: four edges that rise or fall evenly over ``width`` pixels."""
    row = np.full(128, low)
    for start, levels in ((20, (low, high)), (50, (high, low)), (80, (low, high)), (105, (high, low))):
        row[start:] = levels[1]
        row[start : start + width + 1] = np.linspace(*levels, width + 1)
    return np.tile(row, (128, 1))


@pytest.mark.parametrize("width", [1, 2, 4, 7])
def test_edges_have_their_width(width: int):
    edges, widths = upright_edges(bars(width))
    assert edges.any()
    assert set(widths[edges].tolist()) == {float(width)}


def test_the_just_noticeable_blur_depends_on_contrast():
    # 1 - exp(-(w / 3)^3.6) <= 0.63 up to w = 2.99, and up to 4.99 where the contrast is at most 50 levels.
    assert [cpbd(bars(width)) for width in (2, 4)] == [1.0, 0.0]
    assert [cpbd(bars(width, 100, 140)) for width in (4, 6)] == [1.0, 0.0]


def test_blurring_a_picture_lowers_it():
    rng = np.random.default_rng(0)
    picture = 128 + 80 * np.sign(gaussian_filter(rng.normal(size=(192, 192)), 4))
    values = [cpbd(gaussian_filter(picture, sigma)) for sigma in (0.0, 1.0, 2.0, 4.0)]
    assert values[0] > 0.9
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.1


def test_a_plain_picture_has_no_sharpness():
    assert np.isnan(cpbd(np.full((128, 128), 90)))
    assert np.isnan(cpbd(bars(2)[:40]))  # smaller than a block
