"""What the landmarks and the fitted head say about one frame: polygons, silhouettes and the head's own axes.

Pixel coordinates have their origin at the top left corner and pixel centres at half integers.
Polygon indices are those of mediapipe's 478-point face mesh.
"""

from dataclasses import dataclass

import cv2
import numpy as np

# fmt: off
FACE_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
             149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
# fmt: on
EAR_LOBES = (132, 361)  # oval points at the height of the lobes: right, left of the person
FOREHEAD, CHIN, NOSE_BASE, TEMPLES = 10, 152, 2, (127, 356)

NOSE_SHARE = 0.62  # forehead to nose base, of forehead to chin with a closed mouth
SHIFT = 4  # fractional bits of polygon corners


@dataclass(frozen=True)
class HeadAxes:
    """A similarity from the picture to the head: ``matrix`` [2, 3] takes (x, y, 1) px to (u, v).

    u to the picture's right and v up along the face, in face heights (forehead to chin, mouth closed);
    origin between the temples.
    """

    matrix: np.ndarray
    unit: float

    def to_picture(self) -> np.ndarray:
        """[2, 3]: takes (u, v, 1) back to pixels."""
        inverse = np.linalg.inv(self.matrix[:, :2])
        return np.concatenate([inverse, -inverse @ self.matrix[:, 2:]], 1)


def head_axes(points: np.ndarray) -> HeadAxes:
    """The head's axes from mesh points [478, 2+] px.

    Only points that the jaw does not move are used, so speaking does not stretch the axes.
    """
    top, base = points[FOREHEAD, :2].astype(np.float64), points[NOSE_BASE, :2].astype(np.float64)
    up = top - base
    length = max(float(np.hypot(*up)), 1e-3)
    up /= length
    unit = length / NOSE_SHARE
    right = np.array([-up[1], up[0]])  # up is (0, -1) for an upright face, right (1, 0)
    origin = points[list(TEMPLES), :2].astype(np.float64).mean(0)
    rotation = np.stack([right, up]) / unit
    return HeadAxes(np.concatenate([rotation, -(rotation @ origin)[:, None]], 1), unit)


def polygon(points: np.ndarray, indices: tuple[int, ...], shape: tuple[int, int]) -> np.ndarray:
    """bool [H, W]: pixels that the polygon of mesh points ``indices`` covers or touches."""
    mask = np.zeros(shape, np.uint8)
    fill(mask, points, indices, 1)
    return mask.view(bool)


def hull(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """bool [H, W]: pixels that the convex hull of ``points`` [N, 2] px (N >= 3) covers or touches."""
    corners = cv2.convexHull(points.astype(np.float32))[:, 0]
    mask = np.zeros(shape, np.uint8)
    fill(mask, corners, tuple(range(len(corners))), 1)
    return mask.view(bool)


def lobe_line(points: np.ndarray, axes: HeadAxes, shape: tuple[int, int]) -> np.ndarray:
    """float32 [H, W]: signed distance above the line through both ear lobes, in face heights.

    Outside the face, what is above belongs to the head; below are neck, torso and long hair.
    """
    right, left = points[EAR_LOBES[0], :2].astype(np.float64), points[EAR_LOBES[1], :2].astype(np.float64)
    along = left - right
    length = float(np.hypot(*along))
    up = axes.matrix[1, :2] * axes.unit
    normal = np.array([along[1], -along[0]]) / length if length > 1e-3 else up
    if normal @ up < 0:
        normal = -normal
    y, x = np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5
    distance = normal[1] * (y - right[1])[:, None] + normal[0] * (x - right[0])[None, :]
    return (distance / axes.unit).astype(np.float32)


def fill(labels: np.ndarray, points: np.ndarray, indices: tuple[int, ...], value: int) -> None:
    """Set the pixels of ``labels`` (uint8 [H, W]) that the polygon of mesh points covers or touches to ``value``."""
    # OpenCV's pixel centres are at integers.
    fixed = np.round((points[list(indices), :2] - 0.5).clip(-4096, 8192) * (1 << SHIFT)).astype(np.int32)
    cv2.fillPoly(labels, [fixed], value, cv2.LINE_8, SHIFT)
