"""CPBD: how sharp a picture looks, without a reference.

Narvekar and Karam, "A No-Reference Image Blur Metric Based on the Cumulative Probability of Blur Detection (CPBD)",
IEEE Transactions on Image Processing 20(9), 2011.  Our own implementation: figures of another one may differ in the
second digit, because the paper leaves the edge detector's threshold to the library.
"""

import numpy as np

BLOCK = 64  # pixels a side
EDGE_SHARE = 0.002  # of a block's pixels that must be edges for it to count
LOW_CONTRAST = 50  # levels; at most that: a wider edge still looks sharp
JUST_NOTICEABLE = {True: 5.0, False: 3.0}  # pixels of edge width, by whether the block's contrast is low
STEEPNESS = 3.6
DETECTED = 0.63  # probability of a blur that is just noticed


def cpbd(grey: np.ndarray) -> float:
    """Share of the upright edges of uint8 [H, W] whose blur is not noticed, 0 (blurred) to 1 (sharp).

    NaN where the picture has no edge.
    """
    values = grey.astype(np.float64)
    edges, widths = upright_edges(values)
    shares = []
    for top in range(0, values.shape[0] - BLOCK + 1, BLOCK):
        for left in range(0, values.shape[1] - BLOCK + 1, BLOCK):
            part = slice(top, top + BLOCK), slice(left, left + BLOCK)
            found = edges[part]
            if found.sum() <= EDGE_SHARE * BLOCK**2:
                continue
            noticeable = JUST_NOTICEABLE[bool(np.ptp(values[part]) <= LOW_CONTRAST)]
            probability = 1 - np.exp(-((widths[part][found] / noticeable) ** STEEPNESS))
            shares.append(probability <= DETECTED)
    return float(np.concatenate(shares).mean()) if shares else float("nan")


def upright_edges(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges of [H, W] along its rows: bool [H, W] where one stands, and its width in pixels there (0 elsewhere).

    An edge is where Sobel's horizontal gradient is largest along the row and stands out of the picture; it is as wide
    as the run of pixels that rise, or fall, through it.
    """
    padded = np.pad(values, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    gradient = rows[:, 2:] - rows[:, :-2]
    strength = gradient**2
    beside = np.pad(strength, ((0, 0), (1, 1)))
    peak = (strength >= beside[:, :-2]) & (strength > beside[:, 2:])
    edges = peak & (strength > 4 * strength.mean())
    step = np.sign(np.diff(values, axis=1))
    width = np.zeros_like(values)
    for direction in (1.0, -1.0):
        rising = step == direction
        here = edges & (np.sign(gradient) == direction)
        # Steps i-1 (into the pixel) and i (out of it) of the run through pixel i.
        before = np.pad(_run_lengths(rising), ((0, 0), (1, 0)))
        after = np.pad(_run_lengths(rising[:, ::-1])[:, ::-1], ((0, 0), (0, 1)))
        width[here] = (before + after)[here]
    return edges, width


def _run_lengths(flags: np.ndarray) -> np.ndarray:
    """How many flags in a row, from the left, end at each place of bool [H, W]."""
    count = np.cumsum(flags, axis=1)
    start = np.maximum.accumulate(np.where(flags, 0, count), axis=1)
    return np.where(flags, count - start, 0)
