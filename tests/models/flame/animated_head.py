"""A head animated with known parameters: the truth that closed-loop tests compare a track with."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from models.flame.head import FlameHead
from models.flame.landmark_model import LandmarkModel

FOCAL, SIZE = 600.0, 256
BLINK_AT = 30


def animate(head: FlameHead, frames: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Identity [S] and parameters [frames, 15 + E]: a head that turns and nods, speaks, and blinks at BLINK_AT."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)
    x = np.zeros((frames, 15 + head.expression_size))
    x[:, 0] = 0.10 * np.sin(t / 9)
    x[:, 1] = 0.30 * np.sin(t / 13 + 0.4)
    x[:, 2] = 0.05 * np.sin(t / 17)
    x[:, 3] = 0.01 * np.sin(t / 21)
    x[:, 5] = -0.62 + 0.01 * np.sin(t / 25)
    x[:, 6] = 0.12 * (1 - np.cos(t / 2.7)) / 2
    x[:, 10] = x[:, 13] = 0.15 * np.sin(t / 11)
    names = head.expression_names
    for name, rate in (("mouthSmileLeft", 8.0), ("mouthSmileRight", 8.0), ("mouthPucker", 5.0), ("browInnerUp", 14.0)):
        x[:, 15 + names.index(name)] = 0.4 * (1 - np.cos(t / rate)) / 2
    for side in ("Left", "Right"):
        lid = 15 + names.index(f"eyeBlink{side}")
        for frame, value in ((BLINK_AT - 1, 0.5), (BLINK_AT, 0.9), (BLINK_AT + 1, 0.5)):
            if frame < frames:
                x[frame, lid] = value
    shape = np.zeros(head.shape_size)
    shape[:20] = rng.normal(0, 0.6, 20)
    return torch.from_numpy(shape), torch.from_numpy(x)


def observe(
    head: FlameHead, shape: torch.Tensor, x: torch.Tensor, noise: float, seed: int = 0, landmarks: str = "mesh"
) -> np.ndarray:
    """What a detector would report: [N, L, 3] pixels, with independent noise in pixels.

    landmarks: mesh (478 points with relative depth) or ibug68 (their third coordinate is zero).
    """
    model = LandmarkModel.of(head, head.embeddings[landmarks]).personal(shape)
    uv = model.project(x, FOCAL, SIZE).numpy()
    z = model.points(x)[..., 2].numpy()
    depth = -(z - z.mean(1, keepdims=True)) * (FOCAL / -z.mean(1, keepdims=True))
    mesh = np.concatenate([uv, depth[..., None]], -1)
    mesh += np.random.default_rng(seed).normal(0, noise, mesh.shape)
    if landmarks != "mesh":
        mesh[..., 2] = 0.0
    return mesh.astype(np.float32)


def rotation_errors(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Angles in degrees [N] between axis-angle rotations [N, 3]."""
    return np.degrees((Rotation.from_rotvec(found) * Rotation.from_rotvec(truth).inv()).magnitude())


def eye_opening(points: np.ndarray) -> np.ndarray:
    """Distance [N] between upper and lower lids, both eyes, of landmarks [N, L, 2]."""
    return sum(np.linalg.norm(points[:, a] - points[:, b], axis=1) for a, b in ((386, 374), (159, 145)))


__all__ = ["BLINK_AT", "FOCAL", "SIZE", "animate", "eye_opening", "observe", "rotation_errors"]
