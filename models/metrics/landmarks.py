"""Landmark distances of the talking-portrait literature (LMD and F-LMD), in pixels at 512 x 512."""

import numpy as np

REFERENCE_SIZE = 512
MOUTH = slice(48, 68)  # of the iBUG-68 set
INNER_LIPS = (62, 66)  # middle of the upper and of the lower inner lip
OUTER_EYES = (36, 45)
ACTIONS = (
    (21, 39), (22, 42),  # inner brows raised (AU 1)
    (19, 37), (24, 44),  # outer brows raised (AU 2)
    (21, 22),  # brows drawn together (AU 4)
    (37, 41), (38, 40), (43, 47), (44, 46),  # lids (AU 5, 7, 45)
    (33, 51),  # upper lip raised (AU 10)
    (48, 54), (48, 36), (54, 45),  # corners of the lips pulled (AU 12, 15, 20)
    (8, 57),  # chin raised (AU 17)
    (51, 57), (62, 66),  # lips parted, jaw dropped (AU 25, 26)
)  # fmt: skip
"""Pairs of iBUG-68 points whose distance an action unit changes."""


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


def au_proxy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A proxy of AUE, the action-unit error: sum over ACTIONS of the squared difference of their distances.

    a, b: iBUG-68 sets [..., 68, 2].  Distances are in percent of the set's own distance of the outer eye corners, so
    that nearness to the camera does not count; turning the head does.  Returns [...] in squared percent.  AUE itself
    is defined on OpenFace's intensities, which no package registry ships: the two do not compare.
    """
    return ((_actions(a) - _actions(b)) ** 2).sum(-1)


def _actions(points: np.ndarray) -> np.ndarray:
    first, second = np.array(ACTIONS).T
    lengths = np.linalg.norm(points[..., first, :2] - points[..., second, :2], axis=-1)
    eyes = np.linalg.norm(points[..., OUTER_EYES[0], :2] - points[..., OUTER_EYES[1], :2], axis=-1)
    return 100 * lengths / eyes[..., None]
