"""``flame.parquet``: a sequence of FLAME parameters, one row a frame.

Frames of reference.  The head model lives in FLAME's axes (metres; x to the person's left, y up, z out of
the face).  The camera looks along its own -z with x right and y up, so a frontal face has zero rotation:

    X_camera = LBS(shape, expression, rotations) + translation          (translation z is negative)
    u = cx + focal * X / -Z        v = cy - focal * Y / -Z              (pixels, v down, origin top left)

with cx = cy = image_size / 2.  Rotations are axis-angle in radians.
"""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.tables import read_table, vectors, write_table
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.flame/1"
VECTORS = {
    "global_rotation": 3,
    "neck_rotation": 3,
    "jaw_rotation": 3,
    "eyes_rotation": 6,
    "translation": 3,
}


@dataclass
class FlameSequence:
    """FLAME parameters of N consecutive frames of one person.

    A frame that could not be tracked has ``tracked`` False and NaN in every parameter; a short gap that
    was filled in has ``tracked`` False and finite values.  Rows are never left out: row i is frame i + frame[0].
    """

    frame: np.ndarray  # int64 [N], ids of the crop stage's frames, consecutive
    t: np.ndarray  # float64 [N], seconds from the start of the crop
    expression: np.ndarray  # float32 [N, E]
    global_rotation: np.ndarray  # float32 [N, 3]
    neck_rotation: np.ndarray  # float32 [N, 3]
    jaw_rotation: np.ndarray  # float32 [N, 3]
    eyes_rotation: np.ndarray  # float32 [N, 6], left then right
    translation: np.ndarray  # float32 [N, 3], metres
    landmark_error: np.ndarray  # float32 [N], RMS reprojection error in pixels of image_size
    confidence: np.ndarray  # float32 [N], 0..1
    tracked: np.ndarray  # bool [N]
    shape: np.ndarray  # float32 [S], identity coefficients
    focal: float  # pixels at image_size
    image_size: int  # side of the square image in pixels
    fps: float = 25.0
    head: dict[str, Any] = field(default_factory=dict)  # {"name", "sha256", ...} of the head model
    parts: dict[str, str] = field(default_factory=dict)  # role -> part that filled it, stand-ins named

    def __len__(self) -> int:
        return len(self.frame)

    def slice(self, start: int, stop: int) -> "FlameSequence":
        """Rows ``start`` to ``stop`` (row numbers, not frame ids), sharing memory with this sequence."""
        per_frame = {f.name: getattr(self, f.name)[start:stop] for f in fields(self) if f.name in PER_FRAME}
        return replace(self, **per_frame)

    @property
    def usable(self) -> np.ndarray:
        """bool [N]: rows whose every parameter is finite (tracked, or a filled short gap)."""
        stacked = np.concatenate([self.expression, *(getattr(self, name) for name in VECTORS)], axis=1)
        return np.isfinite(stacked).all(axis=1)


PER_FRAME = ("frame", "t", "expression", *VECTORS, "landmark_error", "confidence", "tracked")
HEADER = ("focal", "image_size", "fps", "head", "parts")


def write_flame(path: Path, sequence: FlameSequence) -> None:
    """Write ``sequence`` to ``path`` atomically.  Raises ValueError where lengths or frame ids are inconsistent."""
    problem = _inconsistency(sequence)
    if problem:
        raise ValueError(problem)
    header = {name: getattr(sequence, name) for name in HEADER}
    header["shape"] = [float(x) for x in sequence.shape]
    write_table(path, FORMAT, {name: getattr(sequence, name) for name in PER_FRAME}, header)


def read_flame(path: Path, made_by: str = "the track stage") -> FlameSequence:
    """Read a sequence back.  Raises MissingInput or DamagedArtifact, each naming the file."""
    table, header = read_table(path, FORMAT, list(PER_FRAME), made_by)
    try:
        columns: dict[str, Any] = {name: vectors(table, name) for name in PER_FRAME}
        constants: dict[str, Any] = {name: header[name] for name in HEADER}
        sequence = FlameSequence(**columns, **constants, shape=np.asarray(header["shape"], np.float32))
    except KeyError as error:
        raise DamagedArtifact(Path(path), f"the header lacks {error}") from error
    problem = _inconsistency(sequence)
    if problem:
        raise DamagedArtifact(Path(path), problem)
    return sequence


def _inconsistency(sequence: FlameSequence) -> str | None:
    n = len(sequence.frame)
    for name in PER_FRAME:
        if len(getattr(sequence, name)) != n:
            return f"{name} has {len(getattr(sequence, name))} rows, frame has {n}"
    for name, width in VECTORS.items():
        if getattr(sequence, name).shape != (n, width):
            return f"{name} has shape {getattr(sequence, name).shape}, expected {(n, width)}"
    if not (np.isfinite(sequence.focal) and sequence.focal > 0):
        return f"focal length {sequence.focal} is not positive"
    return None
