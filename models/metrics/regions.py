"""The parts of a picture that are judged on their own: face box, neck band."""

import cv2
import numpy as np


def face_box(points: np.ndarray, size: int, smallest: int = 31) -> tuple[int, int, int, int]:
    """Bounding box x0, y0, x1, y1 (whole pixels, x1 and y1 excluded) of mesh points [L, >= 2] in px, clipped to the
    picture and widened to at least ``smallest`` pixels a side (what LPIPS can take; at most the picture)."""
    low = np.floor(points[:, :2].min(0)).astype(int)
    high = np.ceil(points[:, :2].max(0)).astype(int)
    smallest = min(smallest, size)
    bounds = []
    for start, stop in zip(low, high, strict=True):
        missing = max(0, smallest - (min(stop, size) - max(start, 0)))
        start = int(np.clip(start - missing // 2, 0, size - smallest))
        bounds.append((start, int(np.clip(max(stop, start + smallest), start + smallest, size))))
    (x0, x1), (y0, y1) = bounds
    return x0, y0, x1, y1


def neck_band(head: np.ndarray, neck: np.ndarray, torso: np.ndarray, share: float = 0.04) -> np.ndarray:
    """The band round the chin-neck and neck-collar boundaries: where a pasted torso shows its seam.

    head, neck, torso: bool [H, W].  Returns bool [H, W]: pixels within ``share`` of the picture's height of a
    place where neck meets head or torso, or, where hair or collar hides the neck, head meets torso.
    """
    touching = np.ones((3, 3), np.uint8)
    near_head, near_neck, near_torso = (
        cv2.dilate(mask.astype(np.uint8), touching).astype(bool) for mask in (head, neck, torso)
    )
    seam = (near_head & (near_neck | near_torso)) | (near_neck & near_torso)
    radius = max(1, round(share * len(head)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(seam.astype(np.uint8), disc).astype(bool)
