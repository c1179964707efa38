"""One person's motion on another's head.

What a track says of a person's face is motion upon that person's own resting face, and the resting faces of two people
differ, as do the places where they sit.  So only the difference from rest is taken over: expression and jaw are added,
rotations composed, to the other's own rest.
"""

import numpy as np
from scipy.spatial.transform import Rotation

RESTING = 0.25  # share of the frames, those with the jaw most closed, whose median is a face at rest


def resting_rows(jaw_rotation: np.ndarray) -> np.ndarray:
    """int64: rows of jaw rotations [N, 3] (axis-angle; x opens) in which the mouth is most closed."""
    count = max(1, round(RESTING * len(jaw_rotation)))
    return np.sort(np.argsort(jaw_rotation[:, 0], kind="stable")[:count])


def mean_rotation(rotation: np.ndarray) -> np.ndarray:
    """Mean [3] of axis-angle rotations [N, 3] (radians)."""
    return Rotation.from_rotvec(rotation).mean().as_rotvec()


def retarget_values(values: np.ndarray, rest: np.ndarray, new_rest: np.ndarray) -> np.ndarray:
    """values [N, C] that lie about ``rest`` [C], moved to lie about ``new_rest`` [C]."""
    return values - rest + new_rest


def retarget_rotation(rotation: np.ndarray, rest: np.ndarray, new_rest: np.ndarray, limit: float) -> np.ndarray:
    """Axis-angle rotations [N, 3]: by how much each turns ``rest`` [3], applied to ``new_rest`` [3].

    That angle is held softly below ``limit`` (radians): a portrait shows of a head what was filmed of it.
    """
    turn = turns_from(rotation, rest)
    return (Rotation.from_rotvec(held(turn, limit)) * Rotation.from_rotvec(new_rest)).as_rotvec()


def turns_from(rotation: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Axis-angle [N, 3] of the rotations that take ``rest`` [3] to ``rotation`` [N, 3]."""
    return (Rotation.from_rotvec(rotation) * Rotation.from_rotvec(rest).inv()).as_rotvec()


def reach(vectors: np.ndarray, least: float, most: float) -> float:
    """How far another's motion may go where one's own goes as far as ``vectors`` [N, C]: half as far again as most of
    them, but from ``least`` to ``most``."""
    return float(np.clip(1.5 * np.percentile(np.linalg.norm(vectors, axis=1), 95), least, most))


def held(vectors: np.ndarray, limit: float) -> np.ndarray:
    """vectors [N, C] with their lengths held softly below ``limit``; short ones hardly change."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors * np.where(length > 1e-9, limit * np.tanh(length / limit) / np.maximum(length, 1e-9), 1.0)
