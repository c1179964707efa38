"""``masks.parquet``: one losslessly compressed label map a frame, readable at random by frame id.

A cell holds the label map's bytes, row after row, compressed with zstd (faster and smaller than PNG for label maps);
beside it stand its height and width.  Row groups of 25 frames (one second) bound what a random read touches.
"""

import json
from collections.abc import Iterable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.artifacts.atomic import atomic_path
from tasks.artifacts.tables import read_table
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.masks/2"
COLUMNS = ["frame", "height", "width", "labels"]
ROW_GROUP = 25
LARGEST_SIDE = 8192  # pixels; more than any crop, and a bound on what a damaged cell can ask for
LEVEL = 1


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
    schema = pa.schema(
        [("frame", pa.int64()), ("height", pa.int32()), ("width", pa.int32()), ("labels", pa.binary())]
    ).with_metadata({"erlnet": json.dumps({"format": FORMAT, **header}, sort_keys=True)})
    codec = pa.Codec("zstd", LEVEL)
    count = 0
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="none") as writer:
        batch: list[tuple[int, int, int, bytes]] = []

        def flush() -> None:
            if batch:
                columns = [
                    pa.array(column, field.type) for column, field in zip(zip(*batch, strict=True), schema, strict=True)
                ]
                writer.write_table(pa.table(columns, schema=schema))
                batch.clear()

        for label_map in labels:
            _check(label_map)
            cell = codec.compress(np.ascontiguousarray(label_map), asbytes=True)
            batch.append((count, *label_map.shape, cell))
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
        table, self.header = read_table(self.path, FORMAT, COLUMNS, "the parse stage")
        self._file = pq.ParquetFile(self.path)
        self._count = len(table)
        if self._count != self._file.metadata.num_rows:
            raise DamagedArtifact(
                self.path, f"it says that it has {self._file.metadata.num_rows} rows and has {self._count}"
            )
        self._codec = pa.Codec("zstd")
        self._cached: tuple[int, list[dict[str, Any]]] = (-1, [])

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, frame: int) -> np.ndarray:
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} is outside 0..{len(self) - 1} of {self.path}")
        group, row = divmod(frame, ROW_GROUP)
        if self._cached[0] != group:
            self._cached = (group, self._file.read_row_group(group, columns=COLUMNS[1:]).to_pylist())
        return self._decode(frame, **self._cached[1][row])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[frame] for frame in range(len(self)))

    def _decode(self, frame: int, height: int | None, width: int | None, labels: bytes | None) -> np.ndarray:
        if height is None or width is None or labels is None:
            raise DamagedArtifact(self.path, f"frame {frame}: a cell is empty")
        if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
            raise DamagedArtifact(self.path, f"frame {frame}: a label map of {height} x {width}")
        try:
            data = self._codec.decompress(labels, height * width, asbytes=True)
        except (pa.ArrowException, OSError) as error:
            raise DamagedArtifact(self.path, f"frame {frame}: {str(error).splitlines()[0]}") from None
        label_map = np.frombuffer(data, np.uint8)
        if len(label_map) != height * width or label_map.max() > max(Label):
            raise DamagedArtifact(self.path, f"frame {frame}: not a label map of {height} x {width}")
        return label_map.reshape(height, width).copy()


def _check(label_map: np.ndarray) -> None:
    if label_map.dtype != np.uint8 or label_map.ndim != 2 or label_map.max(initial=0) > max(Label):
        raise ValueError(f"not a label map: {label_map.dtype} {label_map.shape}")
    if not all(0 < side <= LARGEST_SIDE for side in label_map.shape):
        raise ValueError(f"not a label map: {label_map.shape}, sides may have 1 to {LARGEST_SIDE} pixels")
