"""Pickle files that may hold numbers and nothing that runs.

Some published weights come as pickles.  A plain ``pickle.load`` executes whatever the file says; this reader
resolves no name outside an allow-list: numpy arrays, scalars and plain containers.  Two things follow from
treating the file as hostile:

* What a name resolves to is a sealed wrapper, never the function or class itself, because the BUILD operation
  can set attributes on whatever lies on the pickle's stack.
* numpy's own ``dtype.__setstate__`` is not used: it takes the type's flags from the file, and an object type
  whose flags deny that it holds objects makes numpy read raw bytes as pointers.
"""

import pickle
import re
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tasks.errors import BadInput, MissingInput

Allowed = Mapping[tuple[str, str], Callable[..., Any]]
_TYPE_CODE = re.compile(r"[|<>=]?(?:b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,6}|O8?)")


def read_pickle(
    path: Path,
    made_by: str,
    allow: Allowed | None = None,
    encoding: str = "latin1",
    skip: Callable[[BinaryIO], None] | None = None,
) -> Any:
    """Read ``path`` without running anything it names.

    allow: further names, (module, name) -> what stands for it.  Functions are sealed; a class is handed to the
        pickle as it is, so it must define ``__setstate__`` and check there what it is given.  A ``StandIn`` is replaced
        by what its ``value`` returns.
    encoding: of Python 2 strings, as in ``pickle.load``.
    skip: reads what stands in the file before the pickle (a header), and raises ValueError where that is wrong.

    Raises MissingInput where there is no file and BadInput (one line, naming what was refused) where the file
    is not a pickle or names anything outside the allow-list.
    """
    path = Path(path)
    if not path.exists():
        raise MissingInput(path, made_by)
    try:
        with path.open("rb") as file:
            if skip is not None:
                skip(file)
            return _plain(_Reader(file, allow or {}, encoding).load())
    except Refused as refusal:
        raise BadInput(f"{path} was not loaded: it names {refusal}, which no weight file needs; {_ADVICE}") from None
    except RecursionError:
        raise BadInput(f"{path} was not loaded: it is nested without end; {_ADVICE}") from None
    except MemoryError:
        raise BadInput(f"{path} was not loaded: it asks for more memory than there is; {_ADVICE}") from None
    except OSError:
        raise
    except Exception as error:  # damage can surface as nearly any exception of the pickle machine
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{path} is not a readable pickle of arrays ({reason}); {_ADVICE}") from None


_ADVICE = "replace it by the published file"


class Refused(Exception):
    """What of a pickle was not followed; the message completes "it names ..."."""


class StandIn(ABC):
    """Takes the place of an object of a foreign class: keeps its state, and is replaced by a plain value afterwards.

    A pickle can do two things with it: make one without arguments, and give it a state.
    """

    _state: dict[str, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise Refused(f"a {type(self).__name__} without its attributes")
        self._state = state

    def replaced(self) -> Any:
        """The plain value; raises Refused where the state is not what the class would have stored."""
        if self._state is None:
            raise Refused(f"a {type(self).__name__} without its attributes")
        # Other attributes may refer back to the object itself, so only what makes the value is looked at.
        return self.value({name: _plain(self._state[name]) for name in self.attributes() if name in self._state})

    @abstractmethod
    def attributes(self) -> tuple[str, ...]:
        """The attributes that make the value."""

    @abstractmethod
    def value(self, state: dict[str, Any]) -> Any:
        """The plain value made of those attributes that were there."""


class _Sealed:
    """A callable whose attributes the pickle cannot reach."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]):
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise Refused("a change of a built-in function")


class _Reader(pickle.Unpickler):
    def __init__(self, file: Any, allow: Allowed, encoding: str):
        super().__init__(file, encoding=encoding)
        self._allow = allow

    def find_class(self, module: str, name: str) -> Any:
        found = self._allow.get((module, name)) or _BUILT_IN.get((module, name))
        if found is None:
            raise Refused(f"{module}.{name}")
        return found if isinstance(found, type) and (module, name) in self._allow else _Sealed(found)


class _Type:
    """Stands for ``numpy.dtype`` while the pickle is read."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False):
        if not isinstance(code, str) or not _TYPE_CODE.fullmatch(code):
            raise Refused(f"the array type {str(code)[:40]!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        order, itemsize = state[1], state[5]
        if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise Refused("a structured array type")
        if self.dtype.kind in "SU" and isinstance(itemsize, int) and 0 <= itemsize < 1 << 20:
            self.dtype = np.dtype(f"{self.dtype.kind}{itemsize // (4 if self.dtype.kind == 'U' else 1)}")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """Stands for ``numpy.ndarray`` while the pickle is read; ``_plain`` turns it into one."""

    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, fortran, raw = state
        if not isinstance(kind, _Type) or not isinstance(shape, tuple):
            raise Refused("an array without a type")
        if any(not isinstance(side, int) or side < 0 for side in shape):
            raise Refused("an array of negative size")
        count = 1
        for side in shape:
            count *= side
        if kind.dtype.kind == "O":
            if not isinstance(raw, list) or len(raw) != count:
                raise Refused("an array of objects that are not there")
        else:
            raw = raw.encode("latin1") if isinstance(raw, str) else raw
            if not isinstance(raw, bytes) or len(raw) != count * kind.dtype.itemsize:
                raise Refused("an array whose size is not that of its data")
        state = (1, shape, kind.dtype, bool(fortran), raw)
        super().__setstate__(state)  # numpy wants Python's bool here


def _reconstruct(_kind: Any, _shape: Any, _code: Any) -> _Array:
    # The true size and content follow in the array's state; nothing is allocated before that is checked.
    return _Array((0,), np.int8)


def _scalar(kind: Any, raw: Any = b"") -> Any:
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(kind, _Type) or kind.dtype.kind == "O" or not isinstance(raw, bytes):
        raise Refused("a scalar of a type that is not a number")
    return np.frombuffer(raw, kind.dtype, count=1)[0]


def _frombuffer(raw: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    # How numpy writes contiguous arrays at protocol 5.
    if not isinstance(raw, bytes | bytearray) or order not in ("C", "F"):
        raise Refused("an array without data")
    array = _reconstruct(None, None, None)
    array.__setstate__((1, shape, kind, order == "F", bytes(raw)))
    return array


def _no_bytes(*arguments: Any) -> bytes:
    if arguments:
        raise Refused("bytes made from numbers")
    return b""


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused("a conversion of text")
    return text.encode("latin1")


def _not_callable(*_: Any) -> Any:
    raise Refused("an array made by hand")


def _nothing(*_: Any) -> Any:
    raise Refused("an object of no class")


def _new_instance(kind: Any, _base: Any, _value: Any) -> StandIn:
    # How objects were written before protocol 2; there is nothing but stand-ins to make.
    if not isinstance(kind, type) or not issubclass(kind, StandIn):
        raise Refused("an object of a class that was not allowed")
    return kind()


_BUILT_IN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _not_callable,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
    ("copy_reg", "_reconstructor"): _new_instance,
    ("copyreg", "_reconstructor"): _new_instance,
}
for _package in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _BUILT_IN[_package, "_reconstruct"] = _reconstruct
    _BUILT_IN[_package, "scalar"] = _scalar
for _package in ("numpy.core.numeric", "numpy._core.numeric"):
    _BUILT_IN[_package, "_frombuffer"] = _frombuffer
for _package in ("builtins", "__builtin__"):
    _BUILT_IN[_package, "set"] = set
    _BUILT_IN[_package, "frozenset"] = frozenset
    _BUILT_IN[_package, "bytes"] = _no_bytes
    _BUILT_IN[_package, "object"] = _nothing


def _plain(value: Any) -> Any:
    """``value`` with every array stand-in, at any depth of dicts, lists and tuples, as a numpy array."""
    if isinstance(value, _Array):
        array = value.view(np.ndarray)
        if array.dtype.kind == "O":
            flat = array.reshape(-1)
            for index in range(flat.size):
                flat[index] = _plain(flat[index])
        return array
    if isinstance(value, StandIn):
        return value.replaced()
    if isinstance(value, dict):
        return type(value)((_plain(key), _plain(inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return type(value)(_plain(inner) for inner in value)
    if isinstance(value, _Sealed | _Type):
        raise Refused("a function in place of a number")
    return value
