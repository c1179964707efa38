"""``speech.parquet``: what is heard at every video frame, one row a frame.

The header names the groups of feature columns in their order (``groups``): those of the encoder, then measured ones.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.artifacts.tables import read_table, vectors, write_table
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.speech/2"
ENCODER = "encoder"  # the group of features that a network made


@dataclass
class SpeechTrack:
    """frame int64 [N]; features float32 [N, C]; energy float32 [N], RMS loudness of the frame in dBFS;
    encoder: name and hash of the network that made the first group of features; fps: rate of the rows;
    groups: names and widths of the features' parts in their order; where none are given, all are the encoder's."""

    frame: np.ndarray
    features: np.ndarray
    energy: np.ndarray
    encoder: str
    fps: float = 25.0
    groups: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        self.groups = tuple((str(name), int(width)) for name, width in self.groups) or (
            (ENCODER, self.features.shape[1]),
        )

    def __len__(self) -> int:
        return len(self.frame)


def write_speech(path: Path, track: SpeechTrack) -> None:
    columns = {
        "frame": track.frame.astype(np.int64),
        "features": track.features.astype(np.float32),
        "energy": track.energy.astype(np.float32),
    }
    write_table(path, FORMAT, columns, {"encoder": track.encoder, "fps": track.fps, "groups": track.groups})


def read_speech(path: Path) -> SpeechTrack:
    """Raises MissingInput or DamagedArtifact."""
    table, header = read_table(path, FORMAT, ["frame", "features", "energy"], "the speech stage")
    track = SpeechTrack(
        vectors(table, "frame"),
        vectors(table, "features"),
        vectors(table, "energy"),
        header["encoder"],
        header["fps"],
        header["groups"],
    )
    widths = sum(width for _, width in track.groups)
    if widths != track.features.shape[1]:
        raise DamagedArtifact(Path(path), f"groups of {widths} feature columns, there are {track.features.shape[1]}")
    return track
