"""Per-video colour models: how likely a colour is for skin, hair, neck and clothes of this one person.

Normalised, smoothed histograms in YCbCr.  Every class also has a share of "any colour": a collar or a tie that was
not among the samples must still be possible as clothing, and much less so as skin.
"""

from collections.abc import Mapping

import cv2
import numpy as np

LUMA_BINS, CHROMA_BINS = 16, 24
CHROMA_RANGE = (72, 184)  # faces, hair and clothes rarely leave it; outside, the last bin counts
BINS = (LUMA_BINS, CHROMA_BINS, CHROMA_BINS)
CELLS = LUMA_BINS * CHROMA_BINS * CHROMA_BINS


def colour_cells(rgb: np.ndarray) -> np.ndarray:
    """Histogram cell of every pixel: int32 [...] for uint8 RGB [..., 3]."""
    flat = np.ascontiguousarray(rgb).reshape(-1, 1, 3)
    ycc = cv2.cvtColor(flat, cv2.COLOR_RGB2YCrCb).reshape(-1, 3)
    cells = _LUMA[ycc[:, 0]] + _CHROMA[ycc[:, 1]] * CHROMA_BINS + _CHROMA[ycc[:, 2]]
    return cells.reshape(rgb.shape[:-1])


class ColourModel:
    """Log densities of K classes over the colour cells, relative to a uniform colour: float32 [CELLS, K].

    any_colour [K]: share of each class that is spread over all colours.
    """

    def __init__(self, counts: np.ndarray, any_colour: np.ndarray) -> None:
        from scipy.ndimage import gaussian_filter

        columns = [counts[:, k].reshape(BINS).astype(np.float64) for k in range(counts.shape[1])]
        smooth = np.stack([gaussian_filter(column, 1.0, mode="nearest").ravel() for column in columns], 1)
        total = np.maximum(smooth.sum(0, keepdims=True), 1e-12)
        density = smooth / total * CELLS
        density[:, smooth.sum(0) < 1e-9] = 1.0  # no sample at all: any colour is as good as another
        mixed = (1 - any_colour) * density + any_colour
        self.log_density = np.log(np.maximum(mixed, 1e-6)).astype(np.float32)

    def __call__(self, cells: np.ndarray) -> np.ndarray:
        """float32 [H, W, K] for cells int [H, W]."""
        return self.log_density[cells]


def count_colours(cells: np.ndarray, weights: Mapping[int, np.ndarray], classes: int) -> np.ndarray:
    """Histogram counts float64 [CELLS, classes] of the pixels each class's mask (bool [H, W]) picks."""
    counts = np.zeros((CELLS, classes))
    for column, mask in weights.items():
        counts[:, column] = np.bincount(cells[mask], minlength=CELLS)
    return counts


def darker(rgb: np.ndarray, factor: float) -> np.ndarray:
    """The same surface in less light: linear intensity times ``factor`` (gamma 2.2)."""
    table = np.round(np.arange(256) * factor ** (1 / 2.2)).astype(np.uint8)
    return table[rgb]


_LUMA = (np.arange(256) * LUMA_BINS // 256 * CHROMA_BINS * CHROMA_BINS).astype(np.int32)
_CHROMA = np.clip(
    (np.arange(256) - CHROMA_RANGE[0]) * CHROMA_BINS // (CHROMA_RANGE[1] - CHROMA_RANGE[0]), 0, CHROMA_BINS - 1
).astype(np.int32)
