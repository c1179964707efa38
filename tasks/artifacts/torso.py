"""``torso.parquet``: how the torso moved in the picture, one row a frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.nerf.torso.motion import COEFFICIENTS
from tasks.artifacts.tables import read_table, vectors, write_table
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.torso/3"


@dataclass
class TorsoTrack:
    """frame int64 [N].  motion float32 [N, 2, COEFFICIENTS]: between the torso's mean picture and the frame
    (models/nerf/torso/motion.py); NaN where too little torso was seen.  residual float32 [N]: spread of brightness that
    its affine part leaves, of 0..1.  visible float32 [N]: share of the torso that the frame shows.  method: how it was
    measured."""

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
        "motion": track.motion.astype(np.float32).reshape(len(track), 2 * COEFFICIENTS),
        "residual": track.residual.astype(np.float32),
        "visible": track.visible.astype(np.float32),
    }
    write_table(path, FORMAT, columns, {"method": track.method})


def read_torso(path: Path) -> TorsoTrack:
    """Raises MissingInput or DamagedArtifact."""
    table, header = read_table(path, FORMAT, ["frame", "motion", "residual", "visible"], "the torso stage")
    motion = vectors(table, "motion")
    if motion.shape[1:] != (2 * COEFFICIENTS,):
        raise DamagedArtifact(Path(path), f"a motion of {motion.shape[1:]} numbers a frame, not {2 * COEFFICIENTS}")
    return TorsoTrack(
        vectors(table, "frame"),
        motion.reshape(-1, 2, COEFFICIENTS),
        vectors(table, "residual"),
        vectors(table, "visible"),
        header["method"],
    )
