"""Overlapping windows: identity, cover, no seams."""

import itertools

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from models.adf.windows import blend, resampled, smooth, window_starts


@pytest.mark.parametrize("frames", [1, 2, 7, 99, 100, 101, 149, 150, 151, 333])
def test_blending_reproduces_what_all_windows_agree_on(frames: int) -> None:
    truth = torch.randn(frames, 3)
    assert torch.allclose(blend(frames, 100, 50, lambda a, b: truth[a:b]), truth, atol=1e-5)


@pytest.mark.parametrize("frames", [5, 100, 101, 175, 1000])
def test_windows_cover_every_frame_and_overlap(frames: int) -> None:
    starts = window_starts(frames, 100, 50)
    assert starts[0] == 0
    assert starts[-1] + 100 >= frames
    assert all(0 < b - a <= 50 for a, b in itertools.pairwise(starts))


def test_disagreeing_windows_leave_no_seam() -> None:
    # Every window claims another constant: the worst disagreement there can be, one unit between neighbours.
    made = blend(500, 100, 50, lambda a, b: torch.full((b - a, 1), float((a // 50) % 2)))
    steps = made.diff(dim=0).abs()
    assert float(steps.max()) < 1.5 / 50  # the unit is spread over the whole overlap
    hard = torch.cat([torch.full((50, 1), float(k % 2)) for k in range(10)])
    assert float(hard.diff(dim=0).abs().max()) == 1.0


def test_hop_beyond_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="hop"):
        blend(10, 4, 5, lambda a, b: torch.zeros(b - a, 1))


def test_smoothing_is_that_of_scipy() -> None:
    x = torch.randn(60, 3)
    expected = gaussian_filter1d(x.double().numpy(), 2.0, axis=0, mode="nearest", truncate=3.0)
    assert np.allclose(smooth(x, 2.0).numpy(), expected, atol=1e-5)
    assert torch.allclose(smooth(x[:1], 2.0), x[:1], atol=1e-6)


def test_played_faster_and_slower_it_is_that_of_numpy() -> None:
    x = torch.randn(60, 2)
    for frames in (1, 23, 60, 97):
        at = np.linspace(0, 59, frames) if frames > 1 else np.zeros(1)
        expected = np.stack([np.interp(at, np.arange(60), x[:, k].numpy()) for k in range(2)], 1)
        assert np.allclose(resampled(x, frames).numpy(), expected, atol=1e-4)
