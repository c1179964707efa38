"""Hysteresis: where a pixel's colour did not change, its label changes only on clear evidence.

A matte that wavers about one half, or two classes that are nearly as likely, would flicker in every frame although the
picture stands still there.
"""

import cv2
import numpy as np

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
        still: np.ndarray | None = None
        if self._rgb is not None and self._rgb.shape == rgb.shape:
            still = cv2.absdiff(rgb, self._rgb).max(-1) <= UNCHANGED
        if still is not None and self._person is not None:
            matte = matte + MATTE_INERTIA * (still * np.where(self._person, np.float32(1), np.float32(-1)))
        if scores is not None:
            if still is not None and self._best is not None:
                shape = scores.shape[1::-1]
                held = cv2.resize(still.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST) > 0
                scores = scores.copy()
                rows, columns = np.nonzero(held)
                scores[rows, columns, self._best[rows, columns]] += INERTIA
            self._best = scores.argmax(-1)
        else:
            self._best = None
        self._rgb, self._person = rgb, matte > 0.5
        return scores, matte
