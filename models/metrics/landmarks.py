"""Landmark distances of the talking-portrait literature (LMD and F-LMD), in pixels at 512 x 512."""

import numpy as np

REFERENCE_SIZE = 512
MOUTH = slice(48, 68)  # of the iBUG-68 set
INNER_LIPS = (62, 66)  # middle of the upper and of the lower inner lip


def landmark_distance(a: np.ndarray, b: np.ndarray, size: int) -> np.ndarray:
    """Mean Euclidean distance of two landmark sets, each centred on its own mean first.

    a, b: [..., L, 2] in pixels of pictures of side ``size``.  Returns [...] in pixels at 512; NaN where either set
    holds one.  Centring removes where the face is, not how it is turned or how large it is.
    """
    a = a - a.mean(-2, keepdims=True)
    b = b - b.mean(-2, keepdims=True)
    return np.linalg.norm(a - b, axis=-1).mean(-1) * (REFERENCE_SIZE / size)


def lmd(a: np.ndarray, b: np.ndarray, size: int) -> np.ndarray:
    """``landmark_distance`` of the 20 mouth points (48:68) of iBUG-68 sets [..., 68, 2]."""
    return landmark_distance(a[..., MOUTH, :2], b[..., MOUTH, :2], size)


def face_lmd(a: np.ndarray, b: np.ndarray, size: int) -> np.ndarray:
    """``landmark_distance`` of all 68 points of iBUG-68 sets [..., 68, 2]."""
    return landmark_distance(a[..., :2], b[..., :2], size)


def mouth_opening(points: np.ndarray, size: int) -> np.ndarray:
    """Distance of the middles of the inner lips of iBUG-68 sets [..., 68, 2], in pixels at 512; returns [...]."""
    upper, lower = (points[..., index, :2] for index in INNER_LIPS)
    return np.linalg.norm(upper - lower, axis=-1) * (REFERENCE_SIZE / size)
