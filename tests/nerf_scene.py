"""A scene whose pictures are known in closed form: an ellipsoid that turns and speaks before a standing torso.

Drawn by ray-ellipsoid intersection in float64, independently of the code under test.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from models.flame.head import FlameHead
from tasks.artifacts.flame import FlameSequence

RADII = np.array([0.075, 0.105, 0.085])  # metres
DEPTH = 0.8
FOCAL_PER_PIXEL = 2.5  # focal length / image size


def ellipsoid_head(rings: int = 16, sectors: int = 24) -> FlameHead:
    """A FlameHead that is an ellipsoid with one expression (the lower half drops) and one idle one."""
    polar = np.linspace(0, np.pi, rings)
    around = np.linspace(0, 2 * np.pi, sectors, endpoint=False)
    p, a = np.meshgrid(polar, around, indexing="ij")
    template = np.stack([np.sin(p) * np.cos(a), np.cos(p), np.sin(p) * np.sin(a)], -1).reshape(-1, 3) * RADII
    index = np.arange(rings * sectors).reshape(rings, sectors)
    right = np.roll(index, -1, axis=1)
    quads = [index[:-1], right[:-1], index[1:], right[1:]]
    faces = np.concatenate(
        [np.stack([quads[0], quads[1], quads[2]], -1), np.stack([quads[1], quads[3], quads[2]], -1)]
    ).reshape(-1, 3)
    vertices = len(template)
    weights = np.zeros((vertices, 5))
    weights[:, 1] = 1.0
    steady = (np.abs(template[:, 1]) < 0.025).astype(float)
    drop = np.zeros((2, vertices, 3))
    drop[0, template[:, 1] < -0.03, 1] = -0.004

    def tensor(x: np.ndarray) -> torch.Tensor:
        return torch.tensor(x, dtype=torch.float32)

    return FlameHead(
        tensor(template),
        torch.zeros(2, vertices, 3),
        tensor(drop),
        torch.zeros(36, vertices, 3),
        # Joints from the middle ring band, which no expression moves.
        tensor(np.tile(steady / steady.sum(), (5, 1))),
        tensor(weights),
        torch.tensor(faces),
        ["drop", "idle"],
        torch.tensor([[-1.0, 1.0], [-1.0, 1.0]]),
        {name: torch.arange(4) for name in ("lips", "eyes", "face", "neck", "scalp")},
        {},
    )


@dataclass
class Scene:
    """colours uint8 [N, S, S, 3], labels uint8 [N, S, S], plate uint8 [S, S, 3], and the sequence that made them."""

    colours: np.ndarray
    labels: np.ndarray
    plate: np.ndarray
    sequence: FlameSequence


def make_scene(frames: int = 44, size: int = 64, seed: int = 0, head: dict | None = None) -> Scene:
    rng = np.random.default_rng(seed)
    t = np.arange(frames) / 25.0
    phase = rng.uniform(0, 2 * np.pi, 4)
    yaw = 0.35 * np.sin(2.1 * t * np.pi + phase[0])
    pitch = 0.15 * np.sin(1.3 * t * np.pi + phase[1])
    rotation = np.stack([pitch, yaw, np.zeros(frames)], -1)
    translation = np.stack(
        [0.02 * np.sin(1.7 * t * np.pi + phase[2]), np.full(frames, 0.03), np.full(frames, -DEPTH)], -1
    )
    speak = np.sin(5.1 * t * np.pi + phase[3])
    focal = FOCAL_PER_PIXEL * size
    u, v = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    rays = np.stack([(u - size / 2) / focal, -(v - size / 2) / focal, -np.ones_like(u)], -1)
    plate = np.stack([u / size, v / size, 0.5 + 0 * u], -1) * 0.5 + 0.2
    colours, labels = [], []
    for i in range(frames):
        picture, label = plate.copy(), np.zeros((size, size), np.uint8)
        torso = (v > 0.72 * size) & (np.abs(u - size / 2) < 0.36 * size)
        picture[torso] = np.stack([0.3 + 0.2 * np.sin(u / 3), 0.2 + 0 * u, 0.5 + 0.2 * np.cos(v / 4)], -1)[torso]
        label[torso] = 1
        turn = Rotation.from_rotvec(rotation[i]).as_matrix()
        origin, direction = -turn.T @ translation[i] / RADII, (rays @ turn) / RADII
        a, b = (direction**2).sum(-1), (direction @ origin)
        under = b**2 - a * ((origin**2).sum() - 1)
        hit = under > 0
        depth = (-b - np.sqrt(np.maximum(under, 0))) / a
        point = (origin + depth[..., None] * direction) * RADII
        skin = np.stack(
            [0.7 + 0.2 * np.sin(90 * point[..., 0]), 0.5 + 0.2 * np.sin(70 * point[..., 1]), 0.4 + 2 * point[..., 0]],
            -1,
        )
        mouth = (point[..., 0] / 0.03) ** 2 + ((point[..., 1] + 0.045) / (0.012 + 0.008 * speak[i])) ** 2 < 1
        skin[mouth & (point[..., 2] > 0)] = (0.25, 0.05, 0.08)
        picture[hit] = skin[hit]
        label[hit] = 3
        label[hit & mouth & (point[..., 2] > 0)] = 5
        colours.append(np.clip(picture * 255, 0, 255).round().astype(np.uint8))
        labels.append(label)
    zero = np.zeros((frames, 3), np.float32)
    sequence = FlameSequence(
        frame=np.arange(frames),
        t=t,
        expression=np.stack([speak, np.zeros(frames)], -1).astype(np.float32),
        global_rotation=rotation.astype(np.float32),
        neck_rotation=zero,
        jaw_rotation=zero,
        eyes_rotation=np.zeros((frames, 6), np.float32),
        translation=translation.astype(np.float32),
        landmark_error=np.zeros(frames, np.float32),
        confidence=np.ones(frames, np.float32),
        tracked=np.ones(frames, bool),
        shape=np.zeros(2, np.float32),
        focal=focal,
        image_size=size,
        head=head or {"name": "ellipsoid", "sha256": "0" * 64},
        parts={"tracker": "closed form"},
    )
    return Scene(np.stack(colours), np.stack(labels), np.clip(plate * 255, 0, 255).round().astype(np.uint8), sequence)


def write_subject(root: Path, scene: Scene, head: FlameHead) -> None:
    """Lay the scene out as a subject "scene" with its head model below the repository root ``root``."""
    from models.nerf.torso.motion import still
    from tasks.artifacts.background import write_background
    from tasks.artifacts.flame import write_flame
    from tasks.artifacts.head import head_identity, write_head
    from tasks.artifacts.layout import AssetFolder, SubjectFolder
    from tasks.artifacts.masks import write_masks
    from tasks.artifacts.torso import TorsoTrack, write_torso
    from tasks.artifacts.video import VideoWriter

    folder = SubjectFolder.of("scene", root)
    folder.root.mkdir(parents=True)
    assets = AssetFolder(root / "data" / "assets")
    write_head(assets.open_head, head, {"name": "ellipsoid"})
    scene.sequence.head = head_identity(assets.open_head)
    write_flame(folder.flame, scene.sequence)
    write_masks(folder.masks, scene.labels, {})
    write_background(folder.background, scene.plate)
    count = len(scene.sequence)
    motion = still(count).numpy()
    write_torso(folder.torso, TorsoTrack(np.arange(count), motion, np.zeros(count), np.ones(count), "closed form"))
    with VideoWriter(folder.video, crf=6) as video:
        for picture in scene.colours:
            video.write(picture)
