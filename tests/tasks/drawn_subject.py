"""A subject whose video shows a drawn head with known motion: what the tests of the track stage compare with."""

from pathlib import Path

import numpy as np
import torch

from models.flame.camera import project
from models.flame.head import FlameHead
from models.flame.shading import face_colours, shade
from tasks.artifacts.frames import FrameTable, write_frames
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.video import VideoWriter

FRAMES, SIZE, FOCAL = 30, 256, 700.0


def make_subject(root: Path, pictures: list[np.ndarray], listed: int | None = None) -> SubjectFolder:
    """``listed``: frames that the table claims, where they are not the pictures'."""
    folder = SubjectFolder(root / "somebody")
    folder.root.mkdir(parents=True)
    with VideoWriter(folder.video, crf=10, preset="veryfast") as writer:
        for picture in pictures:
            writer.write(picture)
    count = listed or len(pictures)
    index = np.arange(count)
    header = {"image_size": SIZE, "fps": 25.0, "source": {"width": 600, "height": 480}, "scale": 0.8}
    empty = np.full((count, 4), np.nan)
    write_frames(folder.frames, FrameTable(index, index / 25, index / 25, empty, np.zeros(count), header))
    return folder


def truth(frames: int = FRAMES) -> dict[str, np.ndarray]:
    t = np.arange(frames)
    rotation = np.stack([0.06 * np.sin(t / 5), 0.25 * np.sin(t / 7 + 0.3), 0.03 * np.sin(t / 9)], 1)
    jaw = np.zeros((frames, 3))
    jaw[:, 0] = 0.13 * (1 - np.cos(t / 2.5))
    return {"global_rotation": rotation, "jaw_rotation": jaw}


def vertices_of(head: FlameHead, values: dict[str, np.ndarray]) -> torch.Tensor:
    """[N, V, 3] in front of the camera; motion that ``values`` does not name is none."""
    frames = len(next(iter(values.values())))
    zeros = {"expression": head.expression_size, "neck_rotation": 3, "eyes_rotation": 6, "translation": 3}
    zeros |= {"global_rotation": 3, "jaw_rotation": 3}
    inputs = {name: torch.zeros(frames, size) for name, size in zeros.items()}
    inputs |= {name: torch.from_numpy(value).float() for name, value in values.items()}
    inputs["translation"][:, 2] -= 0.75
    with torch.no_grad():
        return head.float()(shape=torch.zeros(1, head.shape_size), **inputs)


def render(head: FlameHead, values: dict[str, np.ndarray] | None = None) -> list[np.ndarray]:
    vertices = vertices_of(head, truth() if values is None else values).numpy()
    template = head.template.numpy()
    regions = {name: index.numpy() for name, index in head.regions.items()}
    joints = head.joints(head.template[None])[0, 3:].numpy()
    colours = face_colours(template, regions, joints)
    return [shade(v.astype(np.float64), head.faces.numpy(), colours, FOCAL, SIZE)[0] for v in vertices]


def true_points(head: FlameHead, landmarks: str) -> np.ndarray:
    """Where the landmarks of a set really lie in ``render(head)``: [N, L, 2] pixels."""
    return project(head.embeddings[landmarks].points(vertices_of(head, truth()), head.faces), FOCAL, SIZE).numpy()


def hide(pictures: list[np.ndarray], frames: list[int]) -> list[np.ndarray]:
    """The same with nothing but grey in ``frames``."""
    return [np.full_like(p, 90) if i in frames else p for i, p in enumerate(pictures)]
