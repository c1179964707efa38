"""``masks.parquet``: one losslessly compressed label map a frame, readable at random by frame id.

A cell holds a one-channel PNG.  Row groups of 25 frames (one second) bound what a random read touches.
"""

import json
from collections.abc import Iterable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.artifacts.atomic import atomic_path
from tasks.artifacts.tables import read_table
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.masks/1"
ROW_GROUP = 25


class Label(IntEnum):
    """Pixel classes.  HEAD covers face skin, hair and ears that no finer label claims."""

    BACKGROUND = 0
    TORSO = 1
    NECK = 2
    HEAD = 3
    HAIR = 4
    LIPS = 5
    MOUTH = 6
    EYES = 7


HEAD_LABELS = (Label.HEAD, Label.HAIR, Label.LIPS, Label.MOUTH, Label.EYES)


def write_masks(path: Path, labels: Iterable[np.ndarray], header: dict[str, Any]) -> int:
    """Stream label maps (uint8 [H, W], values of Label) to ``path``; frame ids count from 0.  Returns the count."""
    schema = pa.schema([("frame", pa.int64()), ("labels", pa.binary())]).with_metadata(
        {"erlnet": json.dumps({"format": FORMAT, **header}, sort_keys=True)}
    )
    count = 0
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="none") as writer:
        batch: list[bytes] = []

        def flush() -> None:
            if batch:
                ids = pa.array(range(count - len(batch), count), pa.int64())
                writer.write_table(pa.table([ids, pa.array(batch, pa.binary())], schema=schema))
                batch.clear()

        for label_map in labels:
            batch.append(_encode(label_map))
            count += 1
            if len(batch) == ROW_GROUP:
                flush()
        flush()
    return count


class MaskReader:
    """Random access to a mask file: ``reader[frame]`` -> uint8 [H, W].  Holds one row group in memory.

    header: what the parse stage wrote beside the masks (parts, quality).
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        _, self.header = read_table(self.path, FORMAT, ["frame", "labels"], "the parse stage")
        self._file = pq.ParquetFile(self.path)
        self._cached: tuple[int, list[bytes]] = (-1, [])

    def __len__(self) -> int:
        return self._file.metadata.num_rows

    def __getitem__(self, frame: int) -> np.ndarray:
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} is outside 0..{len(self) - 1} of {self.path}")
        group, row = divmod(frame, ROW_GROUP)
        if self._cached[0] != group:
            column = self._file.read_row_group(group, columns=["labels"]).column("labels")
            self._cached = (group, column.to_pylist())
        return _decode(self._cached[1][row], self.path)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[frame] for frame in range(len(self)))


def _encode(label_map: np.ndarray) -> bytes:
    if label_map.dtype != np.uint8 or label_map.ndim != 2 or label_map.max(initial=0) > max(Label):
        raise ValueError(f"not a label map: {label_map.dtype} {label_map.shape}")
    ok, data = cv2.imencode(".png", label_map, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not ok:
        raise ValueError("the label map could not be encoded")
    return data.tobytes()


def _decode(data: bytes, path: Path) -> np.ndarray:
    label_map = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if label_map is None or label_map.ndim != 2:
        raise DamagedArtifact(path, "a cell is not a one-channel PNG")
    return label_map
