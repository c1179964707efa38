"""Shared reading and writing of per-frame parquet tables: a header of JSON, checked columns, frame ids.

The artifact modules (frames, landmarks, speech, masks, evaluation) define *what* is in a table; this module
is only *how* a table reaches the disk, so that damage is reported the same way everywhere.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.artifacts.atomic import atomic_path
from tasks.errors import DamagedArtifact, MissingInput


def write_table(
    path: Path, format_name: str, columns: dict[str, Any], header: dict[str, Any], row_group: int | None = None
) -> None:
    """Write ``columns`` (numpy [N] or [N, K], or pyarrow arrays) with ``header`` as JSON metadata, atomically.

    The first column must be ``frame``: consecutive int64 ids.
    """
    arrays = {name: _to_arrow(values) for name, values in columns.items()}
    metadata = {"erlnet": json.dumps({"format": format_name, **header}, sort_keys=True)}
    table = pa.table(arrays).replace_schema_metadata(metadata)
    problem = _frame_problem(table)
    if problem:
        raise ValueError(f"{path}: {problem}")
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=row_group)


def read_table(path: Path, format_name: str, columns: list[str], made_by: str) -> tuple[pa.Table, dict[str, Any]]:
    """Read and check a table written by ``write_table``; returns the table and its header."""
    if not Path(path).exists():
        raise MissingInput(Path(path), made_by)
    try:
        table = pq.read_table(path)
        names = table.column_names  # a name of bytes that are no text raises too
        header = json.loads((table.schema.metadata or {})[b"erlnet"])
        found = header.get("format")
    except (AttributeError, KeyError, ValueError, OSError, pa.ArrowException) as error:
        raise DamagedArtifact(Path(path), str(error).splitlines()[0] if str(error) else repr(error)) from error
    if found != format_name:
        raise DamagedArtifact(Path(path), f"format is {found!r}, expected {format_name!r}")
    missing = [name for name in columns if name not in names]
    if missing:
        raise DamagedArtifact(Path(path), f"column {missing[0]!r} is missing")
    problem = _frame_problem(table)
    if problem:
        raise DamagedArtifact(Path(path), problem)
    return table, header


def vectors(table: pa.Table, name: str) -> np.ndarray:
    """Column of fixed-size lists as an array [N, K]; a plain column as [N]."""
    column = table.column(name).combine_chunks()
    if pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
    return column.to_numpy(zero_copy_only=False)


def _to_arrow(values: Any) -> pa.Array:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    values = np.ascontiguousarray(values)
    if values.ndim == 1:
        return pa.array(values)
    width = math.prod(values.shape[1:])
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)


def _frame_problem(table: pa.Table) -> str | None:
    if not table.column_names or table.column_names[0] != "frame":
        return "the first column is not 'frame'"
    ids = table.column("frame").to_numpy()
    if len(ids) and not np.array_equal(ids, np.arange(ids[0], ids[0] + len(ids))):
        return "frame ids are not consecutive"
    return None
