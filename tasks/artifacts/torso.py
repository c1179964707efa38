"""``torso.parquet``: how the torso moved in the picture, one row a frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.artifacts.tables import read_table, vectors, write_table
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.torso/1"


@dataclass
class TorsoTrack:
    """frame int64 [N].  motion float32 [N, 2, 3]: from a place of the torso's mean picture to its place in the frame,
    T(x) = x + A (x, y, 1)^T with x in -1..1 over the picture, y downwards; NaN where too little torso was seen.
    residual float32 [N]: spread of brightness that the motion leaves, of 0..1.  visible float32 [N]: share of the torso
    that the frame shows.  method: how it was measured."""

    frame: np.ndarray
    motion: np.ndarray
    residual: np.ndarray
    visible: np.ndarray
    method: str

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def found(self) -> np.ndarray:
        """bool [N]: frames whose motion was measured."""
        return np.isfinite(self.motion[:, 0, 0])


def write_torso(path: Path, track: TorsoTrack) -> None:
    columns = {
        "frame": track.frame.astype(np.int64),
        "motion": track.motion.astype(np.float32).reshape(len(track), 6),
        "residual": track.residual.astype(np.float32),
        "visible": track.visible.astype(np.float32),
    }
    write_table(path, FORMAT, columns, {"method": track.method})


def read_torso(path: Path) -> TorsoTrack:
    """Raises MissingInput or DamagedArtifact."""
    table, header = read_table(path, FORMAT, ["frame", "motion", "residual", "visible"], "the torso stage")
    motion = vectors(table, "motion")
    if motion.shape[1:] != (6,):
        raise DamagedArtifact(Path(path), f"a motion of {motion.shape[1:]} numbers a frame, not 6")
    return TorsoTrack(
        vectors(table, "frame"),
        motion.reshape(-1, 2, 3),
        vectors(table, "residual"),
        vectors(table, "visible"),
        header["method"],
    )
