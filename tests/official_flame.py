"""Files of exactly the layout that the official FLAME files have, written without the libraries that wrote those.

The models were pickled by Python 2, with chumpy arrays and an old scipy's sparse matrix in them: this module puts the
same opcodes together by hand.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from scipy.spatial.transform import Rotation

ROOT_PARENT = 0xFFFFFFFF
PARENTS = (-1, 0, 1, 1, 1)


@dataclass(frozen=True)
class Instance:
    """An object of a class that is not here: module, name, attributes; old: as protocols 0 and 1 wrote it."""

    module: str
    name: str
    state: dict[str, Any]
    old: bool = False


@dataclass(frozen=True)
class Global:
    module: str
    name: str


def chumpy(array: np.ndarray, old: bool = False) -> Instance:
    """``chumpy.ch.Ch`` of an array, with the attributes that its __getstate__ leaves."""
    state = {
        "_dirty_vars": {"x"}, "_itr": None, "_parents": {}, "_make_dense": False, "_make_sparse": False, "x": array,
    }  # fmt: skip
    return Instance("chumpy.ch", "Ch", state, old)


def csc(matrix: np.ndarray, module: str = "scipy.sparse.csc") -> Instance:
    """``csc_matrix`` as scipy before 1.0 left it."""
    made = sparse.csc_matrix(matrix)
    state = {
        "_shape": made.shape, "maxprint": 50, "format": "csc", "data": made.data,
        "indices": made.indices.astype(np.int32), "indptr": made.indptr.astype(np.int32),
    }  # fmt: skip
    return Instance(module, "csc_matrix", state)


def python2_pickle(value: Any) -> bytes:
    """Protocol 2 as Python 2 wrote it: text and raw bytes are byte strings, modules have their old names."""
    return b"\x80\x02" + _emit(value) + b"."


def _emit(value: Any) -> bytes:
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value) if abs(value) < 1 << 31 else b"\x8a\x08" + struct.pack("<q", value)
    if isinstance(value, str | bytes):
        raw = value.encode("latin1") if isinstance(value, str) else value
        return (b"U" + bytes([len(raw)]) if len(raw) < 256 else b"T" + struct.pack("<i", len(raw))) + raw
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_emit, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(_emit, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_emit(key) + _emit(inner) for key, inner in value.items()) + b"u"
    if isinstance(value, set):
        return _call(Global("__builtin__", "set"), sorted(value))
    if isinstance(value, Global):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Instance):
        kind = Global(value.module, value.name)
        made = _call(Global("copy_reg", "_reconstructor"), kind, Global("__builtin__", "object"), None)
        return (made if value.old else _emit(kind) + b")\x81") + _emit(value.state) + b"b"
    if isinstance(value, np.dtype):
        flags = (-1, -1, 63) if value.kind == "O" else (-1, -1, 0)
        order = "|" if value.itemsize == 1 or value.kind == "O" else "<"
        made = _call(Global("numpy", "dtype"), value.str.lstrip("<|") if value.kind != "O" else "O8", 0, 1)
        return made + _emit((3, order, None, None, None, *flags)) + b"b"
    if isinstance(value, np.ndarray):
        made = _call(Global("numpy.core.multiarray", "_reconstruct"), Global("numpy", "ndarray"), (0,), "b")
        fortran = value.ndim > 1 and value.flags.f_contiguous
        raw = list(value.reshape(-1)) if value.dtype.kind == "O" else value.tobytes("F" if fortran else "C")
        return made + _emit((1, value.shape, value.dtype, fortran, raw)) + b"b"
    raise TypeError(type(value))


def _call(function: Global, *arguments: Any) -> bytes:
    return _emit(function) + _emit(arguments) + b"R"


@dataclass
class Layout:
    """A FLAME model's arrays as the official file has them (shapedirs [V, 3, 400], posedirs [V, 3, 36], ...)."""

    v_template: np.ndarray
    shapedirs: np.ndarray
    posedirs: np.ndarray
    J_regressor: np.ndarray
    weights: np.ndarray
    f: np.ndarray
    further: dict[str, Any] = field(default_factory=dict)

    def table(self) -> dict[str, Any]:
        """As in ``generic_model.pkl``: bases in chumpy, the regressor sparse, the root's parent -1 as uint32."""
        parents = np.array([PARENTS, range(5)], np.int64).astype(np.uint32)
        assert parents[0, 0] == ROOT_PARENT
        return {
            "f": self.f.astype(np.uint32),
            "v_template": chumpy(self.v_template),
            "shapedirs": chumpy(np.asfortranarray(self.shapedirs)),
            "posedirs": self.posedirs,
            "J_regressor": csc(self.J_regressor),
            "kintree_table": parents,
            "weights": self.weights,
            "J": self.J_regressor @ self.v_template,
            "bs_style": "lbs",
            "bs_type": "lrotmin",
        } | self.further

    def posed(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """Vertices [V, 3] by Li et al. 2017, eq. 2-5, in float64: shape [300], expression [100], rotations [5, 3]
        (root, neck, jaw, eyes), translation [3]."""
        shaped = self.v_template + self.shapedirs @ np.concatenate([values["shape"], values["expression"]])
        joints = self.J_regressor @ shaped
        rotations = Rotation.from_rotvec(values["rotations"]).as_matrix()
        corrected = shaped + self.posedirs @ (rotations[1:] - np.eye(3)).ravel()
        world: list[np.ndarray] = []
        for j, parent in enumerate(PARENTS):
            local = np.eye(4)
            local[:3, :3] = rotations[j]
            local[:3, 3] = joints[j] - (joints[parent] if parent >= 0 else 0)
            world.append(local if parent < 0 else world[parent] @ local)
        total = np.zeros_like(corrected)
        for j, matrix in enumerate(world):
            moved = (corrected - joints[j]) @ matrix[:3, :3].T + matrix[:3, 3]
            total += self.weights[:, j : j + 1] * moved
        return total + values["translation"]


def small_layout(vertices: int = 60, seed: int = 0) -> Layout:
    """A made-up model of a few vertices in which every term counts."""
    rng = np.random.default_rng(seed)

    def shares(*size: int) -> np.ndarray:
        value = rng.random(size) ** 4
        return value / value.sum(-1, keepdims=True)

    regressor = shares(5, vertices) * (rng.random((5, vertices)) > 0.5)
    return Layout(
        v_template=0.1 * rng.normal(size=(vertices, 3)),
        shapedirs=0.001 * rng.normal(size=(vertices, 3, 400)),
        posedirs=0.01 * rng.normal(size=(vertices, 3, 36)),
        J_regressor=regressor / regressor.sum(1, keepdims=True),
        weights=shares(vertices, 5),
        f=rng.integers(0, vertices, (90, 3)),
    )


def write_model(path: Path, layout: Layout, **changes: Any) -> Path:
    """Write the model pickle; a change to ... leaves an entry out."""
    table = {name: value for name, value in (layout.table() | changes).items() if value is not ...}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(python2_pickle(table))
    return path


def random_points(triangles: int, *shape: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Triangles [...] and barycentric weights [..., 3]."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, triangles, shape), rng.dirichlet(np.ones(3), shape)


def write_landmarks(path: Path, static: Any, dynamic: Any, full: Any) -> Path:
    """``landmark_embedding.npy``: three sets of (triangles, weights); the dynamic one is kept as torch tensors."""
    table = {
        "static_lmk_faces_idx": static[0], "static_lmk_bary_coords": static[1],
        "dynamic_lmk_faces_idx": torch.from_numpy(dynamic[0]), "dynamic_lmk_bary_coords": torch.from_numpy(dynamic[1]),
        "full_lmk_faces_idx": full[0][None], "full_lmk_bary_coords": full[1][None],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, np.array(table, dtype=object), allow_pickle=True)
    return path


def write_static(path: Path, static: Any) -> Path:
    """``flame_static_embedding.pkl``."""
    path.write_bytes(python2_pickle({"lmk_face_idx": static[0].astype(np.uint32), "lmk_b_coords": static[1]}))
    return path


def write_dynamic(path: Path, dynamic: Any) -> Path:
    """``flame_dynamic_embedding.npy``, as numpy under Python 2 wrote an array that holds one dictionary."""
    holder = np.empty((), dtype=object)
    holder[()] = {"lmk_face_idx": dynamic[0], "lmk_b_coords": dynamic[1]}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(python2_pickle(holder))
    return path
