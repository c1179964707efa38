"""The official FLAME files as https://flame.is.tue.mpg.de publishes them: models, landmark embeddings, region masks.

Pickles (of Python 2, mostly) and object arrays, read without running anything they name (safe_pickle.py).
Nothing here is written: tasks/official_head.py turns what is read into the project's own head file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from scipy import sparse

from models.flame.head import JOINTS, PARENTS
from tasks.artifacts.foreign_arrays import CHUMPY, SPARSE, TENSORS
from tasks.artifacts.safe_pickle import read_pickle
from tasks.errors import BadInput

IDENTITY_COMPONENTS = 300
"""FLAME's shapedirs hold the identity's components first, then the expression's."""
MADE_BY = "the download page of https://flame.is.tue.mpg.de (registration needed)"
CONTOUR_POINTS, INNER_POINTS = 17, 51
FRONTAL = 0
"""Row of the dynamic contour for a head turned by 0 degrees about y; 1..39 and 40..78 follow for either side."""


@dataclass(frozen=True)
class OfficialModel:
    """A model file's arrays, float64, metres, FLAME's axes (those of FlameHead).

    template [V, 3]; shape_basis [S, V, 3] and expression_basis [E, V, 3]: principal components scaled to one standard
    deviation; pose_basis [36, V, 3]; joint_regressor [5, V] (dense); skinning_weights [V, 5]; faces int64 [F, 3].
    """

    template: np.ndarray
    shape_basis: np.ndarray
    expression_basis: np.ndarray
    pose_basis: np.ndarray
    joint_regressor: np.ndarray
    skinning_weights: np.ndarray
    faces: np.ndarray


@dataclass(frozen=True)
class SurfacePoints:
    """Points on the surface: faces int64 [...], weights float64 [..., 3] (barycentric)."""

    faces: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class OfficialLandmarks:
    """inner: 51 points (brows, nose, eyes, mouth) in iBUG-68 order from 17 on; contour [A, 17]: the jaw line for A
    angles of the head, or None; full: all 68 as one static set, or None."""

    inner: SurfacePoints
    contour: SurfacePoints | None
    full: SurfacePoints | None

    def ibug68(self) -> SurfacePoints | None:
        """68 static points: the full set where the file has one, else the frontal contour and the inner points."""
        if self.full is not None:
            return self.full
        if self.contour is None:
            return None
        return SurfacePoints(
            np.concatenate([self.contour.faces[FRONTAL], self.inner.faces]),
            np.concatenate([self.contour.weights[FRONTAL], self.inner.weights]),
        )


def read_model(path: Path) -> OfficialModel:
    """Read ``generic_model.pkl`` (2019, 2020), ``flame2023.pkl``, ``flame2023_no_jaw.pkl`` or ``flame2023_Open.pkl``.

    Raises MissingInput, or BadInput (one line) where the file is damaged, hostile or not a FLAME model.
    """
    table = _Table(path, read_pickle(path, MADE_BY, {**CHUMPY, **SPARSE}))
    template = table.floats("v_template", (None, 3))
    count = len(template)
    directions = table.floats("shapedirs", (count, 3, None))
    if directions.shape[2] <= IDENTITY_COMPONENTS:
        raise table.wrong(
            f"shapedirs has {directions.shape[2]} components; FLAME has {IDENTITY_COMPONENTS} of identity, then those "
            "of expression"
        )
    tree = table.integers("kintree_table", (2, len(JOINTS)))
    # The root's parent is -1 as unsigned 32 bits.
    parents = [-1 if parent in (-1, 0xFFFFFFFF) else parent for parent in tree[0].tolist()]
    if parents != list(PARENTS):
        raise table.wrong(f"kintree_table gives the joints the parents {parents}, FLAME's are {list(PARENTS)}")
    correctives = 9 * (len(JOINTS) - 1)
    model = OfficialModel(
        template=template,
        shape_basis=_basis(directions[:, :, :IDENTITY_COMPONENTS]),
        expression_basis=_basis(directions[:, :, IDENTITY_COMPONENTS:]),
        pose_basis=_basis(table.floats("posedirs", (count, 3, correctives))),
        joint_regressor=table.floats("J_regressor", (len(JOINTS), count)),
        skinning_weights=table.floats("weights", (count, len(JOINTS))),
        faces=table.integers("f", (None, 3)),
    )
    if not len(model.faces) or int(model.faces.min()) < 0 or int(model.faces.max()) >= count:
        raise table.wrong(f"f points outside the {count} vertices")
    if np.abs(model.skinning_weights.sum(1) - 1).max() > 1e-3:
        raise table.wrong("rows of weights do not sum to one")
    return model


def read_landmarks(path: Path, contour: Path | None = None) -> OfficialLandmarks:
    """Read ``landmark_embedding.npy`` (static, dynamic and full), or ``flame_static_embedding.pkl`` together with
    ``contour``, the ``flame_dynamic_embedding.npy`` that goes with it.

    Raises MissingInput, or BadInput (one line).
    """
    if path.suffix == ".npy":
        table = _Table(path, _read_object(path))
        full = None
        if "full_lmk_faces_idx" in table.values:
            full = table.points("full_lmk_faces_idx", "full_lmk_bary_coords", (CONTOUR_POINTS + INNER_POINTS,))
        return OfficialLandmarks(
            table.points("static_lmk_faces_idx", "static_lmk_bary_coords", (INNER_POINTS,)),
            table.points("dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords", (None, CONTOUR_POINTS)),
            full,
        )
    inner = _Table(path, read_pickle(path, MADE_BY)).points("lmk_face_idx", "lmk_b_coords", (INNER_POINTS,))
    if contour is None:
        return OfficialLandmarks(inner, None, None)
    table = _Table(contour, _read_object(contour))
    return OfficialLandmarks(inner, table.points("lmk_face_idx", "lmk_b_coords", (None, CONTOUR_POINTS)), None)


def read_masks(path: Path, vertices: int) -> dict[str, np.ndarray]:
    """Read ``FLAME_masks.pkl``: int64 vertex indices by name (face, lips, scalp, neck, left_eyeball, ...) of a model
    of ``vertices`` vertices.  Raises MissingInput, or BadInput (one line)."""
    table = _Table(path, read_pickle(path, MADE_BY))
    masks = {}
    for name in table.values:
        index = table.integers(name, (None,))
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < vertices:
            raise table.wrong(f"{name} points outside the {vertices} vertices")
        masks[str(name)] = np.unique(index)
    return masks


class _Table:
    """A dictionary of arrays out of a file, with messages that name the file."""

    def __init__(self, path: Path, values: Any):
        self.path = path
        if not isinstance(values, dict):
            raise self.wrong(f"it holds a {type(values).__name__}, not a dictionary of arrays")
        self.values = values

    def wrong(self, reason: str) -> BadInput:
        return BadInput(f"{self.path} is not the published FLAME file: {reason}; replace it by the published file")

    def array(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        if name not in self.values:
            raise self.wrong(f"{name} is missing")
        value = self.values[name]
        array = value.toarray() if sparse.issparse(value) and value.shape == shape else value
        if isinstance(array, list):
            array = _stacked(array)
        # A set of points may come with a leading batch dimension of one.
        if isinstance(array, np.ndarray) and array.ndim == len(shape) + 1 and array.shape[0] == 1:
            array = array[0]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
            raise self.wrong(f"{name} is not an array of numbers")
        if array.ndim != len(shape) or any(
            want not in (None, have) for want, have in zip(shape, array.shape, strict=True)
        ):
            wanted = " x ".join("any" if side is None else str(side) for side in shape)
            raise self.wrong(f"{name} has {' x '.join(map(str, array.shape))} entries, expected {wanted}")
        return array

    def floats(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        array = self.array(name, shape).astype(np.float64)
        if not np.isfinite(array).all():
            raise self.wrong(f"{name} holds values that are not finite")
        return array

    def integers(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        array = self.array(name, shape)
        if array.dtype.kind == "f" and not (array == np.round(array)).all():
            raise self.wrong(f"{name} holds values that are not whole")
        return array.astype(np.int64)

    def points(self, faces: str, weights: str, shape: tuple[int | None, ...]) -> SurfacePoints:
        index = self.integers(faces, shape)
        barycentric = self.floats(weights, (*index.shape, 3))
        if index.size and int(index.min()) < 0:
            raise self.wrong(f"{faces} holds a negative triangle")
        if index.size == 0 or np.abs(barycentric.sum(-1) - 1).max() > 1e-3:
            raise self.wrong(f"{weights} does not sum to one")
        return SurfacePoints(index, barycentric)


def _basis(directions: np.ndarray) -> np.ndarray:
    """[V, 3, K] -> [K, V, 3]."""
    return np.ascontiguousarray(directions.transpose(2, 0, 1))


def _stacked(values: list[Any]) -> Any:
    try:
        return np.stack([np.asarray(value) for value in values])
    except ValueError:
        return values


def _read_object(path: Path) -> Any:
    """The single object in an ``.npy`` file of objects."""
    value = read_pickle(path, MADE_BY, TENSORS, skip=_object_header)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.size == 1:
        return value.reshape(-1)[0]
    raise BadInput(f"{path} is not the published FLAME file: it does not hold one dictionary; replace it")


def _object_header(file: BinaryIO) -> None:
    readers: dict[tuple[int, int], Callable[..., Any]] = {
        (1, 0): npy.read_array_header_1_0,
        (2, 0): npy.read_array_header_2_0,
    }
    version = npy.read_magic(file)
    if version not in readers:
        raise ValueError(f"npy version {version}")
    _shape, _fortran, dtype = readers[version](file)
    if dtype.kind != "O":
        raise ValueError(f"numbers of type {dtype} in place of a dictionary")
