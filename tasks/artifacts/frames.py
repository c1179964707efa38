"""``frames.parquet``: the crop stage's table, one row a frame of ``video.mp4``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.tables import read_table, vectors, write_table

FORMAT = "erlnet.frames/1"


@dataclass
class FrameTable:
    """Where every frame of the crop came from.

    frame int64 [N], consecutive from 0; t float64 [N], seconds from the start of the crop;
    source_pts float64 [N], presentation time in the source in seconds;
    box float32 [N, 4], face box x0, y0, x1, y1 in pixels of the crop (NaN: no face seen);
    face_confidence float32 [N], 0..1 (0: no face seen);
    header: source description, crop box in source pixels, fps, image_size.
    """

    frame: np.ndarray
    t: np.ndarray
    source_pts: np.ndarray
    box: np.ndarray
    face_confidence: np.ndarray
    header: dict[str, Any]

    def __len__(self) -> int:
        return len(self.frame)


def write_frames(path: Path, table: FrameTable) -> None:
    columns = {
        "frame": table.frame.astype(np.int64),
        "t": table.t.astype(np.float64),
        "source_pts": table.source_pts.astype(np.float64),
        "box": table.box.astype(np.float32),
        "face_confidence": table.face_confidence.astype(np.float32),
    }
    write_table(path, FORMAT, columns, table.header)


def read_frame_table(path: Path) -> FrameTable:
    """Raises MissingInput or DamagedArtifact."""
    names = ["frame", "t", "source_pts", "box", "face_confidence"]
    table, header = read_table(path, FORMAT, names, "the crop stage")
    return FrameTable(**{name: vectors(table, name) for name in names}, header=header)
