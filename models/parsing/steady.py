"""Hysteresis: where a pixel's colour did not change, its label changes only on clear evidence.

A matte that wavers about one half, or two classes that are nearly as likely, would flicker in every frame although the
picture stands still there.
"""

import cv2
import numpy as np

from models.parsing.best import best_class

UNCHANGED = 5  # of 255: largest change of a channel with which a pixel counts as unchanged
INERTIA = 1.0  # log odds by which another class must win where nothing changed
MATTE_INERTIA = 0.2  # by which the matte must pass one half where nothing changed


class Steady:
    """Frames of one video in order; remembers the last one only."""

    def __init__(self) -> None:
        self._rgb: np.ndarray | None = None
        self._person: np.ndarray | None = None
        self._best: np.ndarray | None = None

    def __call__(
        self, rgb: np.ndarray, scores: np.ndarray | None, matte: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Scores [h, w, K] (or None) and matte [H, W], leaning to what they said of the frame before where rgb, uint8
        [H, W, 3], is as it was then.  The arguments are left alone."""
        still: np.ndarray | None = None  # 255 where nothing changed, else 0
        if self._rgb is not None and self._rgb.shape == rgb.shape:
            still = cv2.inRange(cv2.absdiff(rgb, self._rgb), (0, 0, 0), (UNCHANGED,) * 3)
        if still is not None and self._person is not None:
            lean = np.array([-MATTE_INERTIA, MATTE_INERTIA], np.float32)
            matte = matte + lean[self._person.view(np.uint8)] * (still > 0)
        if scores is not None:
            if still is not None and self._best is not None:
                held = cv2.resize(still, scores.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
                count = scores.shape[-1]
                bonus = np.eye(count + 1, count, dtype=scores.dtype) * INERTIA  # nothing for class number ``count``
                scores = scores + bonus[np.where(held, self._best, count)]
            self._best = best_class(scores)
        else:
            self._best = None
        self._rgb, self._person = rgb, matte > 0.5
        return scores, matte
