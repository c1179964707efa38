"""Official FLAME files: what is read is what was written, and the head made of it follows the paper's formula."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from official_flame import (
    Global,
    Instance,
    Layout,
    chumpy,
    csc,
    python2_pickle,
    random_points,
    small_layout,
    write_dynamic,
    write_landmarks,
    write_model,
    write_static,
)
from scipy import sparse

from tasks.artifacts.flame_files import read_landmarks, read_masks, read_model
from tasks.errors import BadInput, MissingInput
from tasks.official_head import flame_head, with_locked_jaw


@pytest.fixture(scope="module")
def layout() -> Layout:
    return small_layout()


def refusal(read: Any, path: Path, *further: Any) -> str:
    with pytest.raises(BadInput) as caught:
        read(path, *further)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


def check(path: Path, layout: Layout) -> None:
    model = read_model(path)
    np.testing.assert_array_equal(model.template, layout.v_template)
    np.testing.assert_array_equal(model.shape_basis, layout.shapedirs[:, :, :300].transpose(2, 0, 1))
    np.testing.assert_array_equal(model.expression_basis, layout.shapedirs[:, :, 300:].transpose(2, 0, 1))
    np.testing.assert_array_equal(model.pose_basis, layout.posedirs.transpose(2, 0, 1))
    np.testing.assert_array_equal(model.joint_regressor, layout.J_regressor)
    np.testing.assert_array_equal(model.skinning_weights, layout.weights)
    np.testing.assert_array_equal(model.faces, layout.f)
    assert model.faces.dtype == np.int64


def test_the_official_layout_is_read(tmp_path: Path, layout: Layout) -> None:
    check(write_model(tmp_path / "generic_model.pkl", layout), layout)


def test_its_variants_are_read(tmp_path: Path, layout: Layout) -> None:
    """Everything in chumpy, nothing in chumpy, later scipy, kintree as signed 64 bits, objects of protocol 1."""
    everything = {name: chumpy(getattr(layout, name), old=True) for name in ("v_template", "shapedirs", "posedirs")}
    check(write_model(tmp_path / "a.pkl", layout, **everything, weights=chumpy(layout.weights)), layout)
    plain = {name: getattr(layout, name) for name in ("v_template", "shapedirs", "J_regressor")}
    signed = np.array([[-1, 0, 1, 1, 1], range(5)], np.int64)
    check(write_model(tmp_path / "b.pkl", layout, **plain, kintree_table=signed), layout)
    check(write_model(tmp_path / "c.pkl", layout, J_regressor=csc(layout.J_regressor, "scipy.sparse._csc")), layout)
    later = plain | {name: getattr(layout, name) for name in ("posedirs", "weights", "f")} | {"kintree_table": signed}
    for protocol in (2, 4, 5):  # as Python 3 and the scipy that is installed write it
        for kind in (sparse.csc_matrix, sparse.csr_matrix):
            path = tmp_path / "later.pkl"
            path.write_bytes(pickle.dumps(later | {"J_regressor": kind(layout.J_regressor)}, protocol))
            check(path, layout)
    flat = layout.posedirs.ravel()
    selected = Instance(
        "chumpy.reordering",
        "Select",
        {"a": chumpy(flat[::-1].copy()), "idxs": np.arange(flat.size)[::-1].copy(), "preferred_shape": (60, 3, 36)},
    )
    check(write_model(tmp_path / "d.pkl", layout, posedirs=selected), layout)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_the_head_follows_the_formula(tmp_path: Path, layout: Layout, dtype: torch.dtype, tolerance: float) -> None:
    head = flame_head(read_model(write_model(tmp_path / "m.pkl", layout))).to(dtype)
    rng = np.random.default_rng(3)
    values = {
        "shape": rng.normal(size=300), "expression": rng.normal(size=100),
        "rotations": 0.5 * rng.normal(size=(5, 3)), "translation": rng.normal(size=3),
    }  # fmt: skip
    found = posed(head, values, dtype)
    np.testing.assert_allclose(found, layout.posed(values), atol=tolerance)
    without = small_layout()
    without.posedirs[:] = 0
    assert np.abs(without.posed(values) - found).max() > 1e-3, "correctives count"


def posed(head: Any, values: dict[str, np.ndarray], dtype: torch.dtype) -> np.ndarray:
    turns = torch.as_tensor(values["rotations"], dtype=dtype)
    row = {name: torch.as_tensor(values[name], dtype=dtype)[None] for name in ("shape", "expression", "translation")}
    vertices = head(
        row["shape"], row["expression"], turns[:1], turns[1:2], turns[2:3], turns[3:].reshape(1, 6), row["translation"]
    )
    return vertices[0].double().numpy()


def test_a_locked_jaw_is_a_jaw_at_rest(tmp_path: Path, layout: Layout) -> None:
    head = flame_head(with_locked_jaw(read_model(write_model(tmp_path / "m.pkl", layout))))
    rng = np.random.default_rng(4)
    values = {
        "shape": rng.normal(size=300), "expression": rng.normal(size=100),
        "rotations": 0.5 * rng.normal(size=(5, 3)), "translation": np.zeros(3),
    }  # fmt: skip
    still = values | {"rotations": values["rotations"] * np.array([[1], [1], [0], [1], [1]])}
    np.testing.assert_allclose(posed(head, values, torch.float64), layout.posed(still), atol=1e-12)


def test_a_file_that_is_not_there_tells_where_to_register(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"flame\.is\.tue\.mpg\.de"):
        read_model(tmp_path / "generic_model.pkl")


def test_damaged_files_get_one_line(tmp_path: Path, layout: Layout) -> None:
    path = write_model(tmp_path / "m.pkl", layout)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "not a readable pickle" in refusal(read_model, path)
    path.write_bytes(python2_pickle(["no", "model"]))
    assert "it holds a list" in refusal(read_model, path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shapedirs": ...}, "shapedirs is missing"),
        ({"v_template": np.zeros((60, 2))}, "v_template has 60 x 2 entries, expected any x 3"),
        ({"shapedirs": np.zeros((60, 3, 300))}, "shapedirs has 300 components"),
        ({"posedirs": np.zeros((60, 3, 27))}, "posedirs has 60 x 3 x 27 entries, expected 60 x 3 x 36"),
        ({"weights": np.zeros((60, 5))}, "rows of weights do not sum to one"),
        ({"weights": np.full((60, 5), np.nan)}, "weights holds values that are not finite"),
        ({"J_regressor": csc(np.ones((4, 60)))}, "J_regressor is not an array of numbers"),
        ({"J_regressor": "none"}, "J_regressor is not an array of numbers"),
        ({"kintree_table": np.array([[-1, 0, 0, 1, 1], range(5)])}, "parents \\[-1, 0, 0, 1, 1\\]"),
        ({"f": np.full((4, 3), 60)}, "f points outside the 60 vertices"),
        ({"f": np.full((4, 3), 0.5)}, "not whole"),
    ],
)
def test_what_is_no_flame_model_gets_one_line(
    tmp_path: Path, layout: Layout, changes: dict[str, Any], says: str
) -> None:
    assert re.search(says, refusal(read_model, write_model(tmp_path / "m.pkl", layout, **changes)))


def test_a_hostile_file_runs_nothing(tmp_path: Path, layout: Layout) -> None:
    trace = tmp_path / "trace"
    call = b"cposix\nsystem\n(U" + bytes([len(str(trace)) + 6]) + b"touch " + str(trace).encode() + b"tR"
    honest = write_model(tmp_path / "m.pkl", layout).read_bytes()
    for place in (b"\x80\x02" + call + b"0" + honest[2:], honest[:-1] + call + b"."):
        path = tmp_path / "bad.pkl"
        path.write_bytes(place)
        assert "posix.system" in refusal(read_model, path)
        assert not trace.exists()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Global("chumpy.ch", "ChLambda"), "chumpy.ch.ChLambda"),
        (Global("scipy.sparse", "load_npz"), "scipy.sparse.load_npz"),
        (Global("numpy", "load"), "numpy.load"),
        (Instance("chumpy.ch", "Ch", {}), "a chumpy array without numbers"),
        (Instance("chumpy.ch", "Ch", {"x": "text"}), "a chumpy array without numbers"),
        (Instance("scipy.sparse.csc", "csc_matrix", {"data": np.ones(1)}), "a sparse matrix without a shape"),
        (
            Instance(
                "scipy.sparse.csc",
                "csc_matrix",
                {"_shape": (5, 1), "data": np.ones(1), "indices": np.array([9]), "indptr": np.array([0, 1])},
            ),
            "indices do not fit",
        ),
        (
            Instance("chumpy.reordering", "Select", {"a": np.ones(3), "idxs": np.array([7]), "preferred_shape": (1,)}),
            "outside its array",
        ),
    ],
)
def test_stand_ins_give_arrays_or_nothing(tmp_path: Path, layout: Layout, value: Any, says: str) -> None:
    assert says in refusal(read_model, write_model(tmp_path / "m.pkl", layout, posedirs=value))


def test_a_stand_ins_class_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(b"\x80\x02cchumpy.ch\nCh\n}(U\x05valueU\x01xub.")
    refusal(read_model, path)
    path.write_bytes(b"\x80\x02ccopy_reg\n_reconstructor\n(c__builtin__\nset\nc__builtin__\nobject\nNtR.")
    assert "not allowed" in refusal(read_model, path)


def test_landmarks_of_either_layout(tmp_path: Path) -> None:
    static, dynamic, full = (random_points(90, *shape) for shape in ((51,), (79, 17), (68,)))
    whole = read_landmarks(write_landmarks(tmp_path / "landmark_embedding.npy", static, dynamic, full))
    pair = read_landmarks(
        write_static(tmp_path / "flame_static_embedding.pkl", static),
        write_dynamic(tmp_path / "flame_dynamic_embedding.npy", dynamic),
    )
    for found in (whole, pair):
        np.testing.assert_array_equal(found.inner.faces, static[0])
        np.testing.assert_array_equal(found.inner.weights, static[1])
        assert found.contour is not None
        np.testing.assert_array_equal(found.contour.faces, dynamic[0])
        np.testing.assert_array_equal(found.contour.weights, dynamic[1])
    chosen, composed = whole.ibug68(), pair.ibug68()
    assert chosen is not None
    assert composed is not None
    np.testing.assert_array_equal(chosen.faces, full[0])
    np.testing.assert_array_equal(composed.faces, np.concatenate([dynamic[0][0], static[0]]))
    np.testing.assert_array_equal(composed.weights, np.concatenate([dynamic[1][0], static[1]]))
    assert read_landmarks(tmp_path / "flame_static_embedding.pkl").ibug68() is None


def test_bad_landmark_files_get_one_line(tmp_path: Path) -> None:
    static, dynamic, full = (random_points(90, *shape) for shape in ((50,), (79, 17), (68,)))
    path = tmp_path / "landmark_embedding.npy"
    assert "has 50 entries, expected 51" in refusal(read_landmarks, write_landmarks(path, static, dynamic, full))
    whole = path.read_bytes()
    for size in (0, 5, 40, len(whole) // 2):
        path.write_bytes(whole[:size])
        refusal(read_landmarks, path)
    np.save(path, np.ones(3))
    assert "in place of a dictionary" in refusal(read_landmarks, path)
    np.save(path, np.array([print, 2], dtype=object), allow_pickle=True)
    assert "print" in refusal(read_landmarks, path)
    static = (static[0], 2 * static[1])
    assert "has 50 entries" in refusal(read_landmarks, write_static(tmp_path / "flame_static_embedding.pkl", static))


def test_masks(tmp_path: Path) -> None:
    path = tmp_path / "FLAME_masks.pkl"
    path.write_bytes(python2_pickle({"lips": np.array([3, 1, 3]), "face": np.arange(9)}))
    masks = read_masks(path, 60)
    np.testing.assert_array_equal(masks["lips"], [1, 3])
    assert "face points outside the 8 vertices" in refusal(read_masks, path, 8)
