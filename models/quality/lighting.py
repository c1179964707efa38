"""How much of a face is lost to wrong exposure."""

import cv2
import numpy as np

DARK, BRIGHT = 12, 245  # luma: below and above, detail is gone


def lost_share(rgb: np.ndarray, outline: np.ndarray) -> float:
    """Share of the pixels inside ``outline`` ([P, 2] points x, y; their convex hull) that are black or burnt out.

    Counting lost pixels instead of judging the mean brightness treats dark and light skin alike.
    """
    mask = np.zeros(rgb.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(outline).astype(np.int32)), 1)
    inside = rgb[mask.astype(bool)]
    if not len(inside):
        return 0.0
    luma = inside @ np.array([0.299, 0.587, 0.114])
    return float(np.mean((luma < DARK) | (luma > BRIGHT)))
