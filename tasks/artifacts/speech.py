"""``speech.parquet``: speech features resampled to video frames, one row a frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.artifacts.tables import read_table, vectors, write_table

FORMAT = "erlnet.speech/1"


@dataclass
class SpeechTrack:
    """frame int64 [N]; features float32 [N, C]; energy float32 [N], RMS loudness of the frame in dBFS;
    encoder: name and hash of the network that made the features; fps: rate of the rows."""

    frame: np.ndarray
    features: np.ndarray
    energy: np.ndarray
    encoder: str
    fps: float = 25.0

    def __len__(self) -> int:
        return len(self.frame)


def write_speech(path: Path, track: SpeechTrack) -> None:
    columns = {
        "frame": track.frame.astype(np.int64),
        "features": track.features.astype(np.float32),
        "energy": track.energy.astype(np.float32),
    }
    write_table(path, FORMAT, columns, {"encoder": track.encoder, "fps": track.fps})


def read_speech(path: Path) -> SpeechTrack:
    """Raises MissingInput or DamagedArtifact."""
    table, header = read_table(path, FORMAT, ["frame", "features", "energy"], "the speech stage")
    return SpeechTrack(
        vectors(table, "frame"),
        vectors(table, "features"),
        vectors(table, "energy"),
        header["encoder"],
        header["fps"],
    )
