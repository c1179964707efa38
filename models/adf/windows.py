"""Overlapping windows: any length in, no seams out."""

from collections.abc import Callable

import torch
from torch import Tensor


def window_starts(frames: int, window: int, hop: int) -> list[int]:
    """First frames of windows of ``window`` frames, ``hop`` apart, that cover 0 ... frames; the last one ends at
    ``frames``.  One start, 0, where everything fits into one window."""
    if frames <= window:
        return [0]
    starts = list(range(0, frames - window, hop))
    return [*starts, frames - window]


def blend(frames: int, window: int, hop: int, produce: Callable[[int, int], Tensor]) -> Tensor:
    """Put ``produce(start, stop)`` -> [stop - start, C] of overlapping windows together to [frames, C].

    Each window's weight falls linearly to (nearly) zero at its two ends, so its border, where it lacks context,
    counts least and neither value nor slope jumps.
    """
    if not 0 < hop <= window:
        raise ValueError(f"hop {hop} must lie between 1 and the window's {window} frames")
    length = min(window, frames)
    ramp = torch.arange(1, length + 1, dtype=torch.float32)
    weight = torch.minimum(ramp, ramp.flip(0))[:, None]
    total: Tensor | None = None
    weights = torch.zeros(frames, 1)
    for start in window_starts(frames, window, hop):
        part = produce(start, start + length)
        if total is None:
            total = torch.zeros(frames, part.shape[1])
        total[start : start + length] += weight * part
        weights[start : start + length] += weight
    assert total is not None
    return total / weights


def smooth(x: Tensor, sigma: float) -> Tensor:
    """Gaussian low-pass of [N, C] along time, ``sigma`` in frames; the ends are held."""
    radius = max(1, round(3 * sigma))
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    held = torch.cat([x[:1].expand(radius, -1), x, x[-1:].expand(radius, -1)]).T[:, None]
    return torch.nn.functional.conv1d(held, (taps / taps.sum())[None, None])[:, 0].T


def resampled(x: Tensor, frames: int) -> Tensor:
    """[N, C] played in ``frames`` frames, linearly interpolated; the ends stay the ends."""
    if len(x) == frames:
        return x
    return torch.nn.functional.interpolate(x.T[None], size=frames, mode="linear", align_corners=True)[0].T
