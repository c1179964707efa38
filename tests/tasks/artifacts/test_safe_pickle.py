"""A hostile pickle runs nothing and gets one line; a decent one comes back as plain arrays."""

import os
import pickle
import subprocess
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.safe_pickle import read_pickle
from tasks.errors import BadInput, MissingInput


def save(path: Path, value: Any, protocol: int = 4) -> Path:
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol=protocol))
    return path


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(BadInput) as caught:
        read_pickle(path, "someone", **options)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.mark.parametrize("protocol", range(6))
def test_round_trip_of_arrays_and_containers(tmp_path: Path, protocol: int) -> None:
    rng = np.random.default_rng(0)
    value = {
        "f4": rng.normal(size=(3, 4)).astype("f4"),
        "big": rng.normal(size=5).astype(">f8"),
        "fortran": np.asfortranarray(rng.normal(size=(3, 2))),
        "scalar": np.float64(2.5),
        "empty": np.zeros((0, 3)),
        "text": np.array(["a", "bcd"]),
        "nested": [1, (2.0, None), {"x": np.arange(4)}],
        "ordered": OrderedDict(a=np.ones(2)),
        "objects": np.array([np.arange(2), None, "x"], dtype=object),
        "set": {1, 2},
    }
    back = read_pickle(save(tmp_path / "a.pkl", value, protocol), "someone")
    for name in ("f4", "big", "fortran", "empty", "text"):
        assert type(back[name]) is np.ndarray
        assert back[name].dtype.newbyteorder("=") == value[name].dtype.newbyteorder("=")  # type: ignore[union-attr]
        np.testing.assert_array_equal(back[name], value[name])
    assert back["scalar"] == 2.5
    np.testing.assert_array_equal(back["nested"][2]["x"], np.arange(4))
    assert isinstance(back["ordered"], OrderedDict)
    assert type(back["objects"][0]) is np.ndarray
    assert back["set"] == {1, 2}


class Calls:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Any, *arguments: Any):
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(os.system, ("touch {}",)), (eval, ("open('{}','w')",)), (subprocess.Popen, (["touch", "{}"],))],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_call_is_refused_by_name_and_not_made(
    tmp_path: Path, function: Any, arguments: tuple[Any, ...], protocol: int
) -> None:
    trace = tmp_path / "trace"
    filled = [a.format(trace) if isinstance(a, str) else [x.format(trace) for x in a] for a in arguments]
    path = save(tmp_path / "bad.pkl", {"weights": np.ones(3), "x": Calls(function, *filled)}, protocol)
    assert function.__name__ in refusal(path)
    assert not trace.exists()


def test_numpy_is_no_way_in(tmp_path: Path) -> None:
    assert "runstring" in refusal(save(tmp_path / "a.pkl", b"cnumpy.testing._private.utils\nrunstring\n."))
    assert "load" in refusal(save(tmp_path / "b.pkl", b"cnumpy\nload\n."))
    assert "array made by hand" in refusal(save(tmp_path / "c.pkl", b"cnumpy\nndarray\n(K\x05tR."))


def test_attributes_of_what_the_allow_list_names_cannot_be_set(tmp_path: Path) -> None:
    for name in (b"cnumpy.core.multiarray\n_reconstruct\n", b"ccollections\nOrderedDict\n"):
        # GLOBAL, then BUILD with a state of attributes: (None, {"_call": 1})
        hostile = name + b"(N(V_call\nK\x01dtb."
        assert "built-in function" in refusal(save(tmp_path / "a.pkl", hostile))


def test_object_type_that_denies_its_objects_is_harmless(tmp_path: Path) -> None:
    """With numpy's own reader this makes raw bytes be followed as pointers."""
    dtype = b"cnumpy\ndtype\n(VO8\nI00\nI01\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntb"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
        b"(I1\n(I1\nt" + dtype + b"I00\nVABCDEFGH\ntb."
    )
    assert "objects that are not there" in refusal(save(tmp_path / "a.pkl", array))


def test_sizes_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    honest = pickle.dumps(np.zeros(3, "f8"), protocol=2)
    assert honest.count(b"K\x03\x85") == 1
    assert "size" in refusal(save(tmp_path / "a.pkl", honest.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")))


def test_structured_and_unknown_types_are_refused(tmp_path: Path) -> None:
    assert "array type" in refusal(save(tmp_path / "a.pkl", np.zeros(2, [("a", "f4")])))
    assert "array type" in refusal(save(tmp_path / "b.pkl", np.zeros(2, "M8[s]")))


def test_damage_is_one_line(tmp_path: Path) -> None:
    whole = pickle.dumps({"a": np.ones(100)})
    assert "not a readable pickle" in refusal(save(tmp_path / "cut.pkl", whole[:-40]))
    assert "not a readable pickle" in refusal(save(tmp_path / "text.pkl", b"hello, world"))
    assert "not a readable pickle" in refusal(save(tmp_path / "empty.pkl", b""))
    endless: list[Any] = []
    endless.append(endless)
    assert "without end" in refusal(save(tmp_path / "endless.pkl", endless))


def test_missing_file_names_its_maker(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="made by someone"):
        read_pickle(tmp_path / "none.pkl", "someone")


class Stub:
    """What an adapter allows in place of a class of another library."""

    def __setstate__(self, state: Any) -> None:
        self.x = state["x"]


class Foreign:
    def __init__(self) -> None:
        self.x = np.arange(3)


def test_the_allow_list_can_be_extended(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pkl", {"v": Foreign()}, 2)
    assert "Foreign" in refusal(path)
    found = read_pickle(path, "someone", allow={(__name__, "Foreign"): Stub})
    np.testing.assert_array_equal(found["v"].x, np.arange(3))
