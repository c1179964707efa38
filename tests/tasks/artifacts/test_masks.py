"""masks.parquet: damaged files are reported in one line that names them.  (Round trip: test_tables.py.)"""

import contextlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.artifacts.masks import FORMAT, Label, MaskReader, write_masks
from tasks.errors import DamagedArtifact, MissingInput


@pytest.fixture(scope="module")
def maps() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.repeat(rng.integers(0, len(Label), (12, 4)), 5, 1).astype(np.uint8) for _ in range(30)]


def rewritten(path: Path, change: dict[int, dict[str, object]]) -> None:
    """Put other values into single cells."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    for row, values in change.items():
        rows[row] |= values
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path, row_group_size=25, compression="none")


def test_missing(tmp_path):
    with pytest.raises(MissingInput, match="the parse stage"):
        MaskReader(tmp_path / "masks.parquet")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"labels": b""}, "frame 3"),
        ({"labels": b"\x28\xb5\x2f\xfd not zstd"}, "frame 3"),
        ({"height": 0}, "label map of 0 x 20"),
        ({"height": 100_000}, "label map of 100000 x 20"),
        ({"width": -5}, "label map of 12 x -5"),
        ({"width": 21}, "frame 3"),
        ({"width": 19}, "frame 3"),
        ({"labels": pa.Codec("zstd").compress(bytes([99]) * 240, asbytes=True)}, "not a label map of 12 x 20"),
        ({"labels": None}, "frame 3"),
        ({"height": None}, "frame 3"),
    ],
)
def test_a_damaged_cell_is_named_and_the_others_are_read(tmp_path, maps, values, reason):
    path = tmp_path / "masks.parquet"
    write_masks(path, maps, {})
    rewritten(path, {3: values})
    reader = MaskReader(path)
    np.testing.assert_array_equal(reader[2], maps[2])
    with pytest.raises(DamagedArtifact, match=reason) as caught:
        reader[3]
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_earlier_format_is_named(tmp_path, maps):
    path = tmp_path / "masks.parquet"
    write_masks(path, maps, {})
    table = pq.read_table(path)
    older = table.schema.metadata[b"erlnet"].replace(FORMAT.encode(), b"erlnet.masks/1")
    pq.write_table(table.replace_schema_metadata({b"erlnet": older}), path)
    with pytest.raises(DamagedArtifact, match=r"'erlnet\.masks/1', expected 'erlnet\.masks/2'"):
        MaskReader(path)


@pytest.mark.parametrize("name", [b"height", b"labels"])
def test_a_column_name_that_is_no_text_is_damage(tmp_path, maps, name):
    path = tmp_path / "masks.parquet"
    write_masks(path, maps, {})
    path.write_bytes(path.read_bytes().replace(name, name[:-1] + b"\xf3"))
    with pytest.raises(DamagedArtifact, match=r"masks\.parquet"):
        MaskReader(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bytes_cut_or_flipped_anywhere(tmp_path, maps, data):
    """Either it is reported, or what comes back is still label maps: never another error, never a crash."""
    path = tmp_path / "masks.parquet"
    write_masks(path, maps[:5], {})
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(3):
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    with contextlib.suppress(DamagedArtifact):
        for labels in MaskReader(path):
            assert labels.dtype == np.uint8
            assert labels.max() <= max(Label)
