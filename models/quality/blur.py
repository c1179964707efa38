"""How blurred a face is, by defocus, motion or compression."""

import cv2
import numpy as np

AGAIN = 1.0  # pixels: standard deviation of the blur that is added for comparison
EDGES = 0.05  # share of the pixels, those of the steepest grey levels, that count as edges
DIFFERENCE = 1 / 3  # pixels squared: variance of the two-pixel box that a central difference averages over
MOST = 8.0  # pixels: more is not told apart by so small an added blur


def blur_radius(grey: np.ndarray) -> float:
    """Standard deviation, in pixels, of the Gaussian that would blur ideal edges as those of ``grey`` (uint8 [H, W]).

    A picture that is blurred once more loses little steepness where it was blurred before: the ratio of the gradients
    gives the radius (Zhuo & Sim, "Defocus map estimation from a single image", 2011, eq. 4 and 5).  Median over the
    steepest edges; sharp digital pictures have some 0.4 to 1.1; MOST at most, and where there are no edges at all.
    """
    picture = grey.astype(np.float32)
    steep = _gradient(picture)
    edge = steep >= max(float(np.quantile(steep, 1 - EDGES)), 1e-3)
    softer = _gradient(cv2.GaussianBlur(picture, (0, 0), AGAIN))
    ratio = float(np.median(steep[edge] / np.maximum(softer[edge], 1e-6))) if edge.any() else 1.0
    if ratio <= 1.0:
        return MOST
    squared = AGAIN**2 / (ratio**2 - 1) - DIFFERENCE
    return float(min(np.sqrt(max(squared, 0.0)), MOST))


def _gradient(picture: np.ndarray) -> np.ndarray:
    return np.hypot(cv2.Sobel(picture, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(picture, cv2.CV_32F, 0, 1, ksize=3))
