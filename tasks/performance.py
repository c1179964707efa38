"""What a portrait is to act: the motion, the sound that goes with it, and where both come from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.artifacts.flame import FlameSequence

SOUND_RATE = 48_000  # Hz of the written sound; speech features are made from 16 kHz


@dataclass(frozen=True)
class Performance:
    """motion: one row a frame.  sound: float32 [T] at SOUND_RATE.  torso [N, 2, COEFFICIENTS]: its motion as in
    ``torso.parquet``, None: foretold from the head's pose.  driven_by: for provenance; more: what else this kind of
    performance should say there."""

    motion: FlameSequence
    sound: np.ndarray
    driven_by: dict[str, Any]
    more: dict[str, Any]
    torso: np.ndarray | None = None
