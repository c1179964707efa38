"""The sets of landmarks that a head can be fitted to: what their points are, and what the fit has to know of them.

A set is told by its number of points, so an array of landmarks needs no label: 478 are mediapipe's face mesh with its
irises, 68 are iBUG's.
"""

from dataclasses import dataclass

import numpy as np

from models.landmarks import ibug68, parts
from models.landmarks.face_mesh import LANDMARKS, MESH_POINTS


@dataclass(frozen=True)
class LandmarkLayout:
    """One set of landmarks.

    name: of the head model's embedding for it.  points: how many; surface: those that lie on the skin.
    trust: (points, weight) in the fit; all others count 1, later groups win.  shape_precision: factor on the precision
    of the identity's prior: how little the set's own idea of a face may bend it.  groups: what errors are reported of.
    face_width, eye_distance: pairs of points; the ends of the face at the height of the ears, and the outer corners of
    the eyes.  inner_lips: their middles, upper and lower.  depth: whether the detector gives a third coordinate.
    irises: whether the set shows where the eyes look.
    """

    name: str
    points: int
    surface: slice
    trust: tuple[tuple[np.ndarray, float], ...]
    shape_precision: float
    groups: dict[str, np.ndarray]
    face_width: tuple[int, int]
    eye_distance: tuple[int, int]
    inner_lips: tuple[int, int]
    depth: bool
    irises: bool


def _range(*slices: slice) -> np.ndarray:
    return np.concatenate([np.arange(s.start, s.stop) for s in slices])


MESH = LandmarkLayout(
    name="mesh",
    points=LANDMARKS,
    surface=slice(0, MESH_POINTS),
    trust=(
        (parts.OVAL_POINTS, 0.4),  # slides along the outline as the head turns
        (parts.LIP_POINTS, 3.0),
        (parts.LEFT_EYE_POINTS, 3.0),
        (parts.RIGHT_EYE_POINTS, 3.0),
        (parts.LEFT_BROW_POINTS, 1.5),
        (parts.RIGHT_BROW_POINTS, 1.5),
        (parts.LEFT_IRIS_POINTS, 3.0),
        (parts.RIGHT_IRIS_POINTS, 3.0),
    ),
    shape_precision=1.0,
    groups={
        "lips": parts.LIP_POINTS,
        "eyes": np.concatenate([parts.LEFT_EYE_POINTS, parts.RIGHT_EYE_POINTS]),
        "iris": np.concatenate([parts.LEFT_IRIS_POINTS, parts.RIGHT_IRIS_POINTS]),
    },
    face_width=parts.FACE_WIDTH_POINTS,
    eye_distance=(33, 263),
    inner_lips=(13, 14),
    depth=True,
    irises=True,
)
IBUG68 = LandmarkLayout(
    name="ibug68",
    points=68,
    surface=slice(0, 68),
    trust=(
        # The jaw line is the outline of the picture, not a place on the head, but nothing else shows the face's width.
        (_range(ibug68.JAW), 0.5),
        (_range(ibug68.BROWS), 0.5),
        (_range(ibug68.MOUTH), 1.5),
        (_range(ibug68.RIGHT_EYE, ibug68.LEFT_EYE), 1.5),
    ),
    # The head's 68 points are points of the face mesh; those who annotate 68 put theirs a little elsewhere.
    shape_precision=4.0,
    groups={
        "lips": _range(ibug68.MOUTH),
        "eyes": _range(ibug68.RIGHT_EYE, ibug68.LEFT_EYE),
    },
    face_width=(0, 16),
    eye_distance=(36, 45),
    inner_lips=(62, 66),
    depth=False,
    irises=False,
)
_BY_POINTS = {layout.points: layout for layout in (MESH, IBUG68)}


def layout_of(points: np.ndarray) -> LandmarkLayout:
    """The set that landmarks [..., L, C] are of.  Raises ValueError where no set has L points."""
    count = points.shape[-2]
    if count not in _BY_POINTS:
        raise ValueError(f"no set of landmarks has {count} points: {' or '.join(map(str, _BY_POINTS))}")
    return _BY_POINTS[count]


def to_ibug68(points: np.ndarray) -> np.ndarray:
    """The iBUG-68 points [..., 68, C] of landmarks of either set."""
    return ibug68.ibug68(points) if layout_of(points) is MESH else points


def pair_distance(points: np.ndarray, pair: tuple[int, int]) -> float:
    """Median distance in pixels between two landmarks of [N, L, >= 2] over the frames that have them."""
    return float(np.nanmedian(np.linalg.norm(points[:, pair[0], :2] - points[:, pair[1], :2], axis=1)))
