"""The best of a few classes at every pixel."""

from collections.abc import Sequence

import cv2
import numpy as np


def best_class(scores: np.ndarray, values: Sequence[int] | None = None) -> np.ndarray:
    """uint8 [H, W]: which of scores [H, W, K] is the highest, the first of equals; ``values`` [K] in its place.

    Several times as fast as numpy's argmax over so short an axis.
    """
    planes = cv2.split(scores)
    values = range(len(planes)) if values is None else values
    best, classes = planes[0], np.full(scores.shape[:2], values[0], np.uint8)
    for value, plane in zip(values[1:], planes[1:], strict=True):
        np.putmask(classes, plane > best, np.uint8(value))
        best = cv2.max(best, plane)
    return classes
