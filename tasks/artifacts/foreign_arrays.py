"""Arrays as other libraries pickle them: scipy's sparse matrices, chumpy's arrays, torch's tensors.

None of those classes is imported or run: what a pickle stores of them is checked and becomes numpy (or a scipy matrix
built afresh).  chumpy does not even install on current Python versions.
"""

import io
from typing import Any

import numpy as np
import torch
from scipy import sparse

from tasks.artifacts.safe_pickle import Allowed, Refused, StandIn


class ChumpyArray(StandIn):
    """``chumpy.ch.Ch``: a leaf of its expression graph, which holds its array as ``x``."""

    def attributes(self) -> tuple[str, ...]:
        return ("x",)

    def value(self, state: dict[str, Any]) -> np.ndarray:
        return _numbers(state.get("x"), "a chumpy array")


class ChumpySelection(StandIn):
    """``chumpy.reordering.Select``: entries ``idxs`` of the flattened ``a``, in ``preferred_shape``."""

    def attributes(self) -> tuple[str, ...]:
        return ("a", "idxs", "preferred_shape")

    def value(self, state: dict[str, Any]) -> np.ndarray:
        flat = _numbers(state.get("a"), "a chumpy selection").reshape(-1)
        index = _numbers(state.get("idxs"), "a chumpy selection's index")
        if (
            index.dtype.kind not in "iu"
            or index.ndim != 1
            or (index.size and not 0 <= index.min() <= index.max() < flat.size)
        ):
            raise Refused("a chumpy selection that points outside its array")
        shape = state.get("preferred_shape")
        try:
            return flat[index] if shape is None else flat[index].reshape([int(side) for side in shape])
        except (TypeError, ValueError):
            raise Refused("a chumpy selection of another size than its shape") from None


class _Compressed(StandIn):
    """A compressed sparse matrix; old versions of scipy stored ``shape``, later ones ``_shape``."""

    def attributes(self) -> tuple[str, ...]:
        return ("shape", "_shape", "data", "indices", "indptr")

    def parts(self, state: dict[str, Any], major: int) -> tuple[Any, Any, Any, tuple[int, int]]:
        """data, indices, indptr and shape, checked; major: the axis that ``indptr`` counts along."""
        shape = state.get("_shape", state.get("shape"))
        if not (
            isinstance(shape, tuple) and len(shape) == 2 and all(isinstance(side, int) and side >= 0 for side in shape)
        ):
            raise Refused("a sparse matrix without a shape")
        data, index, start = (_numbers(state.get(name), "a sparse matrix") for name in ("data", "indices", "indptr"))
        consistent = (
            data.ndim == index.ndim == start.ndim == 1
            and index.dtype.kind in "iu"
            and start.dtype.kind in "iu"
            and len(start) == shape[major] + 1
            and len(data) == len(index) == start[-1]
            and start[0] == 0
            and bool((np.diff(start.astype(np.int64)) >= 0).all())
            and (not len(index) or 0 <= int(index.min()) <= int(index.max()) < shape[1 - major])
        )
        if not consistent:
            raise Refused("a sparse matrix whose indices do not fit its shape")
        return data, index.astype(np.int64), start.astype(np.int64), shape


class SparseColumns(_Compressed):
    """``scipy.sparse.csc_matrix``."""

    def value(self, state: dict[str, Any]) -> sparse.csc_matrix:
        data, index, start, shape = self.parts(state, 1)
        return sparse.csc_matrix((data, index, start), shape=shape)


class SparseRows(_Compressed):
    """``scipy.sparse.csr_matrix``."""

    def value(self, state: dict[str, Any]) -> sparse.csr_matrix:
        data, index, start, shape = self.parts(state, 0)
        return sparse.csr_matrix((data, index, start), shape=shape)


def _numbers(value: Any, what: str) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        raise Refused(f"{what} without numbers")
    return value


class _Storage:
    """The flat data of a tensor; sealed, because a pickle can give a state to whatever lies on its stack."""

    __slots__ = ("flat",)

    def __init__(self, flat: torch.Tensor):
        self.flat = flat

    def __setstate__(self, state: Any) -> None:
        raise Refused("a change of a tensor's data")


def _storage(raw: Any) -> _Storage:
    # The inner file has a format of torch's own; its reader for weights alone resolves tensors and nothing else.
    if not isinstance(raw, bytes | bytearray):
        raise Refused("a tensor without data")
    try:
        storage = torch.load(io.BytesIO(bytes(raw)), map_location="cpu", weights_only=True)
    except Exception:  # refusals and damage both surface as errors of many kinds
        raise Refused("a tensor whose data cannot be read") from None
    if not isinstance(storage, torch.storage.TypedStorage):
        raise Refused("a tensor whose data is something else")
    return _Storage(torch.tensor([], dtype=storage.dtype).set_(storage))


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_further: Any) -> np.ndarray:
    counts = (offset, *size, *stride) if isinstance(size, tuple) and isinstance(stride, tuple) else ()
    if not isinstance(storage, _Storage) or not counts or len(size) != len(stride):
        raise Refused("a tensor without data")
    if any(not isinstance(count, int) or count < 0 for count in counts):
        raise Refused("a tensor of negative size")
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if 0 not in size and last >= len(storage.flat):
        raise Refused("a tensor that is larger than its data")
    return np.array(storage.flat.as_strided(size, stride, offset).numpy())


CHUMPY: Allowed = {
    ("chumpy.ch", "Ch"): ChumpyArray,
    ("chumpy", "Ch"): ChumpyArray,
    ("chumpy.reordering", "Select"): ChumpySelection,
}
SPARSE: Allowed = {
    (f"scipy.sparse{module}", f"{kind}_matrix"): stand_in
    for kind, stand_in in (("csc", SparseColumns), ("csr", SparseRows))
    for module in ("", f".{kind}", f"._{kind}")
}
TENSORS: Allowed = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
}
