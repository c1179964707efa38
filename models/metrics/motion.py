"""How a sequence moves: jitter, flicker, and whether the mouth opens when it should.

A mean error alone rewards a frozen face; these figures are read beside it.
"""

import numpy as np

from models.metrics.landmarks import REFERENCE_SIZE

STILL = 0.5  # px at 512: standard deviation of a mouth opening below which it only trembles


def jitter(points: np.ndarray, size: int) -> float:
    """Mean length of the second difference over time of landmarks [T, L, 2], in pixels at 512 per frame squared.

    A trembling track has more of it than the face it follows; compare with the truth's own.  NaN rows (no face) take
    the differences they touch with them; NaN where fewer than three consecutive frames are left.
    """
    if len(points) < 3:
        return float("nan")
    second = np.linalg.norm(np.diff(points[..., :2], n=2, axis=0), axis=-1)
    return float(np.nanmean(second) * REFERENCE_SIZE / size) if np.isfinite(second).any() else float("nan")


def flicker(
    before: np.ndarray,
    now: np.ndarray,
    true_before: np.ndarray,
    true_now: np.ndarray,
    region: np.ndarray | None = None,
) -> float:
    """Mean absolute difference, in 8-bit levels, between the change of the picture and the change of the truth.

    All four are uint8 [H, W, 3] of consecutive frames; region bool [H, W], None: all of it.  0 where the render changes
    exactly as the truth does, whatever its constant error; a mean frame scores the truth's own change.  NaN for an
    empty region.
    """
    change = now.astype(np.int16) - before
    true_change = true_now.astype(np.int16) - true_before
    error = np.abs(change - true_change)
    if region is not None:
        error = error[region]
    return float(error.mean()) if error.size else float("nan")


def follows(opening: np.ndarray, true_opening: np.ndarray) -> tuple[float, float]:
    """Pearson correlation of two mouth openings [T] and the ratio of their standard deviations (render / truth).

    Both are in pixels at 512.  Frames with a NaN are left out.  Either figure is NaN where it is not defined: fewer
    than three frames, or a mouth that never moves beyond the detector's own noise (STILL).
    """
    both = np.isfinite(opening) & np.isfinite(true_opening)
    x, y = opening[both].astype(np.float64), true_opening[both].astype(np.float64)
    if len(x) < 3 or y.std() < STILL:
        return float("nan"), float("nan")
    ratio = float(x.std() / y.std())
    return (float(np.corrcoef(x, y)[0, 1]) if x.std() > 1e-6 else float("nan")), ratio


def best_lag(opening: np.ndarray, true_opening: np.ndarray, reach: int) -> float:
    """By how many frames a mouth opening [T] follows the true one best: the lag within +-reach of the highest Pearson
    correlation; positive: the render is late.  NaN for fewer than 4 * reach frames, of which any lag would do, and
    where ``follows`` is not defined at any lag."""
    frames = len(opening)
    if frames < 4 * reach:
        return float("nan")
    scores = {}
    for lag in range(-reach, reach + 1):
        rendered = opening[max(lag, 0) : frames + min(lag, 0)]
        recorded = true_opening[max(-lag, 0) : frames - max(lag, 0)]
        scores[lag] = follows(rendered, recorded)[0]
    known = {lag: score for lag, score in scores.items() if np.isfinite(score)}
    return float(max(known, key=lambda lag: (known[lag], -abs(lag)))) if known else float("nan")
