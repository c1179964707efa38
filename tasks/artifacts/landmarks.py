"""``landmarks.parquet``: the 2D landmarks the tracker saw (the face mesh, or iBUG-68), one row a frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.landmarks.layouts import LandmarkLayout, layout_of
from tasks.artifacts.tables import read_table, vectors, write_table
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.landmarks/1"


@dataclass
class LandmarkTrack:
    """frame int64 [N]; points float32 [N, L, 3]: x, y in pixels of the crop, z the detector's relative depth in
    the same unit (negative towards the camera; zero where it knows none); NaN where no face was found.  detector: name
    and version.  L is 478 (mediapipe's mesh and irises) or 68 (iBUG); models/landmarks/layouts.py."""

    frame: np.ndarray
    points: np.ndarray
    detector: str
    image_size: int

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def found(self) -> np.ndarray:
        """bool [N]: frames in which a face was found."""
        return np.isfinite(self.points[:, 0, 0])

    @property
    def layout(self) -> LandmarkLayout:
        """Which set of landmarks it is.  Raises ValueError where there is none with so many points."""
        return layout_of(self.points)


def write_landmarks(path: Path, track: LandmarkTrack) -> None:
    columns = {"frame": track.frame.astype(np.int64), "points": track.points.astype(np.float32)}
    header = {"detector": track.detector, "landmarks": track.points.shape[1], "image_size": track.image_size}
    write_table(path, FORMAT, columns, header)


def read_landmarks(path: Path) -> LandmarkTrack:
    """Raises MissingInput or DamagedArtifact."""
    table, header = read_table(path, FORMAT, ["frame", "points"], "the track stage")
    try:
        points = vectors(table, "points").reshape(len(table), header["landmarks"], 3)
        layout_of(points)
        return LandmarkTrack(vectors(table, "frame"), points, header["detector"], header["image_size"])
    except (KeyError, ValueError, TypeError) as error:
        reason = f"the header lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DamagedArtifact(Path(path), reason) from error
