"""Regions and painted features of a head whose surface carries nothing but landmarks: lips, brows, the face's skin."""

from itertools import pairwise

import numpy as np

from models.flame.raster import rasterise
from models.landmarks.ibug68 import BROWS, MOUTH

LIP_DEPTH = 0.010
FACE_DEPTH = 0.012
"""Metres behind a region's outline that still belong to it (lips roll inwards, the face ends before the ears)."""


def inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """bool [N]: points [N, 2] in a polygon [K, 2] by the even-odd rule."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    x, y = points[:, None, 0], points[:, None, 1]
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(b[:, 1] == a[:, 1], 1.0, b[:, 1] - a[:, 1])
    return (crosses & (x < a[:, 0] + (y - a[:, 1]) / rise * (b[:, 0] - a[:, 0]))).sum(1) % 2 == 1


def lip_vertices(template: np.ndarray, ibug: np.ndarray) -> np.ndarray:
    """bool [V]: vertices [V, 3] within the outer lip contour of iBUG-68 points [68, 3], seen from the front."""
    outline = ibug[MOUTH]
    outer = outline[:12]
    depth = outline[np.square(template[:, None, :2] - outline[None, :, :2]).sum(-1).argmin(1), 2]
    return inside(outer[:, :2], template[:, :2]) & (template[:, 2] > depth - LIP_DEPTH)


def face_vertices(template: np.ndarray, faces: np.ndarray, oval: np.ndarray) -> np.ndarray:
    """bool [V]: the face's skin within its oval [K, 3] (in any order), as seen from the front on triangles [F, 3]."""
    centre = oval[:, :2].mean(0)
    order = np.argsort(np.arctan2(*(oval[:, :2] - centre).T))
    nearest = oval[np.square(template[:, None, :2] - oval[None, :, :2]).sum(-1).argmin(1), 2]
    within = inside(oval[order, :2], template[:, :2]) & (template[:, 2] > nearest - FACE_DEPTH)
    return within & seen_from_front(template, faces)


def seen_from_front(template: np.ndarray, faces: np.ndarray, size: int = 512) -> np.ndarray:
    """bool [V]: corners of triangles that a camera 5 m before the face sees."""
    middle = (template.min(0) + template.max(0)) / 2
    reach = np.abs(template - middle)[:, :2].max()
    raster = rasterise(
        template - middle - np.array([0, 0, 5.0]), faces, 0.45 * size * 5.0 / reach, size, cull_back=True
    )
    seen = np.zeros(len(template), bool)
    seen[faces[np.unique(raster.triangle[raster.covered])]] = True
    return seen


def brow_band(template: np.ndarray, ibug: np.ndarray, thickness: float = 3e-3) -> np.ndarray:
    """Weight [V] in 0..1 of painted brows: a band of standard deviation ``thickness`` round their five points each."""
    distance = np.full(len(template), np.inf)
    for brow in np.split(ibug[BROWS], 2):
        for start, end in pairwise(brow):
            along = end - start
            share = ((template - start) @ along / max(float(along @ along), 1e-12)).clip(0, 1)
            distance = np.minimum(distance, np.linalg.norm(template - start - share[:, None] * along, axis=1))
    return np.exp(-np.square(distance) / (2 * thickness**2))
