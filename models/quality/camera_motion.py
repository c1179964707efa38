"""How far the background moves: a camera that is not on a tripod, or a screen behind the person."""

from typing import Any

import cv2
import numpy as np

POINTS = 150
FEWEST = 8  # points that must be found again to say anything
BACK = 1.0  # pixels: a point that does not come back to where it started was lost


def background_shift(first: np.ndarray, later: np.ndarray, background: np.ndarray) -> float | None:
    """Median displacement in pixels of background points between two grey pictures uint8 [H, W].

    background: bool [H, W], where nothing of the person can be.  Points are followed there and back (pyramidal
    Lucas-Kanade, Bouguet 2001).  None where the background has too little to follow.
    """
    corners = cv2.goodFeaturesToTrack(first, POINTS, 0.02, 5, mask=background.astype(np.uint8))
    if corners is None or len(corners) < FEWEST:
        return None
    nothing: Any = None  # the bindings' types know no "no first guess"
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, later, corners, nothing, winSize=(21, 21), maxLevel=3)
    back, again, _ = cv2.calcOpticalFlowPyrLK(later, first, there, nothing, winSize=(21, 21), maxLevel=3)
    good = (found[:, 0] > 0) & (again[:, 0] > 0) & (np.linalg.norm((back - corners)[:, 0], axis=1) < BACK)
    if good.sum() < FEWEST:
        return None
    return float(np.median(np.linalg.norm((there - corners)[good, 0], axis=1)))


def away_from_person(shape: tuple[int, int], boxes: np.ndarray) -> np.ndarray:
    """bool [H, W]: what lies outside head, hair, shoulders and body of the faces ``boxes`` [N, 4] (x0, y0, x1, y1).

    A quarter of a face beside and 0.6 above every face is left out, and a body that widens from the chin downwards.
    """
    height, width = shape
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    free = np.ones((height, width), bool)
    for x0, y0, x1, y1 in boxes:
        face = x1 - x0
        middle = (x0 + x1) / 2
        head = (np.abs(columns - middle) < 0.75 * face) & (rows > y0 - 0.6 * face)
        wide = face * np.clip(0.75 + 3 * (rows - y1) / face, 0.75, 3.5)
        free &= ~(head | ((np.abs(columns - middle) < wide) & (rows > y1 - 0.2 * face)))
    return free
