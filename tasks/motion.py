"""Between FLAME sequences and the two motion branches of the ADF."""

import numpy as np
import torch
from torch import Tensor

from models.adf.network import Motion
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.speech import SpeechTrack


def to_motion(sequence: FlameSequence, rows: slice | np.ndarray = slice(None)) -> Motion:
    """The branches of some rows (all must be usable)."""
    expression = np.concatenate([sequence.expression, sequence.jaw_rotation, sequence.eyes_rotation], 1)
    pose = np.concatenate([sequence.global_rotation, sequence.neck_rotation, sequence.translation], 1)
    return Motion(_tensor(expression[rows]), _tensor(pose[rows]))


def usable_runs(usable: np.ndarray) -> list[slice]:
    """Uninterrupted runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], usable.astype(np.int8), [0]])))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def spoken_rows(sequence: FlameSequence, speech: SpeechTrack) -> np.ndarray:
    """Row of ``speech`` with the same frame id for every row of ``sequence``, -1 where there is none."""
    rows = sequence.frame - (speech.frame[0] if len(speech) else 0)
    return np.where((rows >= 0) & (rows < len(speech)), rows, -1)


def from_motion(
    motion: Motion,
    frame: np.ndarray,
    shape: np.ndarray,
    focal: float,
    image_size: int,
    fps: float,
    head: dict[str, str],
    parts: dict[str, str],
) -> FlameSequence:
    """A sequence that was made, not tracked: confidence 1, landmark error 0, every row usable."""
    expression, pose = motion.expression.numpy().astype(np.float32), motion.pose.numpy().astype(np.float32)
    count = len(expression)
    return FlameSequence(
        frame=frame.astype(np.int64),
        t=(frame - frame[0]) / fps,
        expression=expression[:, :-9],
        jaw_rotation=expression[:, -9:-6],
        eyes_rotation=expression[:, -6:],
        global_rotation=pose[:, :3],
        neck_rotation=pose[:, 3:6],
        translation=pose[:, 6:],
        landmark_error=np.zeros(count, np.float32),
        confidence=np.ones(count, np.float32),
        tracked=np.ones(count, bool),
        shape=shape.astype(np.float32),
        focal=focal,
        image_size=image_size,
        fps=fps,
        head=head,
        parts=parts,
    )


def _tensor(values: np.ndarray) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)  # a copy: arrays out of a parquet file are read-only
