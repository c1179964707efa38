"""flame.parquet: round trip, damage, and the promise that a row is a frame."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.flame import PER_FRAME, FlameSequence, read_flame, write_flame
from tasks.errors import DamagedArtifact, MissingInput


def make_sequence(n: int = 7, expressions: int = 4, first: int = 0, seed: int = 0) -> FlameSequence:
    rng = np.random.default_rng(seed)

    def values(*size: int) -> np.ndarray:
        return rng.normal(size=size).astype(np.float32)

    return FlameSequence(
        frame=np.arange(first, first + n),
        t=(first + np.arange(n)) / 25.0,
        expression=values(n, expressions),
        global_rotation=values(n, 3),
        neck_rotation=values(n, 3),
        jaw_rotation=values(n, 3),
        eyes_rotation=values(n, 6),
        translation=values(n, 3),
        landmark_error=np.abs(values(n)),
        confidence=np.full(n, 0.5, np.float32),
        tracked=rng.random(n) > 0.5,
        shape=values(5),
        focal=700.0,
        image_size=256,
        head={"name": "open", "sha256": "0" * 64},
        parts={"landmarks": "mediapipe"},
    )


@settings(max_examples=25, deadline=None)
@given(n=st.integers(0, 40), expressions=st.integers(1, 60), first=st.integers(0, 10_000), seed=st.integers(0, 99))
def test_round_trip_keeps_every_number(tmp_path_factory, n, expressions, first, seed):
    path = tmp_path_factory.mktemp("flame") / "flame.parquet"
    written = make_sequence(n, expressions, first, seed)
    write_flame(path, written)
    read = read_flame(path)
    for name in (*PER_FRAME, "shape"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), err_msg=name)
        assert getattr(read, name).dtype == getattr(written, name).dtype, name
    for name in ("focal", "image_size", "fps", "head", "parts"):
        assert getattr(read, name) == getattr(written, name)


def test_an_untracked_frame_keeps_its_row(tmp_path: Path):
    sequence = make_sequence()
    for name in ("expression", "global_rotation", "translation"):
        getattr(sequence, name)[3] = np.nan
    write_flame(tmp_path / "f.parquet", sequence)
    read = read_flame(tmp_path / "f.parquet")
    assert len(read) == len(sequence)
    assert read.usable.tolist() == [True, True, True, False, True, True, True]


def test_slice_is_by_row_and_keeps_ids():
    part = make_sequence(10, first=100).slice(4, 7)
    assert part.frame.tolist() == [104, 105, 106]
    assert part.expression.shape == (3, 4)
    assert part.focal == 700.0


def test_a_gap_in_frame_ids_is_refused(tmp_path: Path):
    sequence = make_sequence()
    sequence.frame = sequence.frame.copy()
    sequence.frame[4:] += 1
    with pytest.raises(ValueError, match="not consecutive"):
        write_flame(tmp_path / "f.parquet", sequence)
    assert list(tmp_path.iterdir()) == []


def test_lengths_that_disagree_are_refused(tmp_path: Path):
    sequence = dataclasses.replace(make_sequence(), translation=np.zeros((6, 3), np.float32))
    with pytest.raises(ValueError, match="translation has 6 rows"):
        write_flame(tmp_path / "f.parquet", sequence)


def test_missing_names_the_stage(tmp_path: Path):
    with pytest.raises(MissingInput, match="the track stage"):
        read_flame(tmp_path / "flame.parquet")


@pytest.mark.parametrize("damage", ["truncate", "flip", "text", "column", "format"])
def test_damage_is_one_line_that_names_the_file(tmp_path: Path, damage: str):
    path = tmp_path / "flame.parquet"
    write_flame(path, make_sequence(50))
    data = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        data[-20] ^= 0xFF
        path.write_bytes(bytes(data))
    elif damage == "text":
        path.write_text("not parquet")
    elif damage == "column":
        pq.write_table(pq.read_table(path).drop_columns(["jaw_rotation"]), path)
    else:
        table = pq.read_table(path)
        pq.write_table(table.replace_schema_metadata({"erlnet": '{"format": "other"}'}), path)
    with pytest.raises(DamagedArtifact) as caught:
        read_flame(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
