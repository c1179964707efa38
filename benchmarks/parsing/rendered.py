"""Rendered people whose true labels are known: a head of the head model, hair and clothes of simple shapes, a textured
room behind.  The real detector, tracker and matte look at them; nothing is told to the parse stage but the video.

Kinder than life, because the fitted head model is the drawn one, and harder, because nobody's hair and shirt are so
crude.  What is neck: skin below the ear lobes that is not the face, down to the collar.
"""

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from benchmarks.tracking.rendered import SIZE, animate, filmed, heads, write_drawn_table
from models.flame.head import FlameHead
from models.flame.shading import HAIR, Light, brow_weights, face_colours, shade
from models.flame.views import SKINS
from tasks import parse, track
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.masks import HEAD_LABELS, Label, MaskReader
from tasks.artifacts.video import VideoWriter

FACE_SHARE = 0.31  # of the picture's width, as the crop stage frames people
FACE_WIDTH = 0.14  # metres, about
LOBES = -0.023  # metres above the model's origin: where ears end
BROWS = ("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight")
HAIRS = (HAIR, (150, 110, 60), (25, 22, 20), (95, 50, 30))
SHIRTS = ((60, 80, 130), (225, 225, 220), (120, 40, 50), (40, 45, 45))
WAVE = np.array([210.0, 37.0, 160.0])  # radians a metre of the hair's and the cloth's pattern


@dataclass(frozen=True)
class Part:
    """A mesh with a colour a vertex and a label a triangle.  vertices [V, 3], faces [F, 3], colours [V, 3] RGB."""

    vertices: np.ndarray
    faces: np.ndarray
    colours: np.ndarray
    labels: np.ndarray


def tube(rings: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of ellipses stacked along y.  rings [R, 5]: y, centre z, half width x, half depth z, and
    lift (how much higher the ring's back is than its front); angles [A]: radians, 0 to the front; open unless the last
    is a full turn past the first."""
    y, z, width, depth, lift = (rings[:, k, None] for k in range(5))
    points = np.stack([width * np.sin(angles), y - lift * np.cos(angles), z + depth * np.cos(angles)], -1)
    count = len(angles)
    corner = (np.arange(len(rings) - 1)[:, None] * count + np.arange(count - 1)).ravel()
    faces = np.concatenate([
        np.stack([corner, corner + count, corner + 1], 1),
        np.stack([corner + 1, corner + count, corner + count + 1], 1),
    ])  # fmt: skip
    return points.reshape(-1, 3), faces


def head_labels(head: FlameHead) -> np.ndarray:
    """Label of every triangle of the head model; hair is worn on it as a part of its own."""
    template = head.template.numpy()
    vertex = np.full(len(template), Label.HEAD)
    regions = {name: index.numpy() for name, index in head.regions.items()}
    below = regions["scalp"][template[regions["scalp"], 1] < LOBES]
    for index, label in (
        (regions["neck"], Label.NECK), (below, Label.NECK), (regions["lips"], Label.LIPS),
        (regions["mouth"], Label.MOUTH), (regions["eyes"], Label.EYES),
    ):  # fmt: skip
        vertex[index] = label
    return np.sort(vertex[head.faces.numpy()], axis=1)[:, 1]


def hair(
    head: FlameHead, vertices: np.ndarray, thickness: float, hairline: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Short hair: the scalp, lifted off, down to ``hairline`` metres above the origin in front.  Vertices [V, 3] in the
    head's pose, faces, rest positions."""
    template = head.template.numpy()
    scalp = np.zeros(len(template), bool)
    scalp[torch.cat([head.regions["scalp"], head.regions["face"]]).numpy()] = True
    # Its edge runs from the forehead over the temples to the nape.
    scalp &= template[:, 1] > np.interp(template[:, 2], [-0.10, -0.02, 0.04, 0.07], [-0.03, 0.02, 0.06, hairline])
    faces = head.faces.numpy()
    faces = faces[scalp[faces].all(1)]
    middle = vertices[scalp].mean(0)
    outward = vertices - middle
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    waves = 1 + 0.3 * np.sin(template @ np.array([90.0, 60.0, 75.0]))
    return vertices + thickness * waves[:, None] * outward, faces, template


class Person:
    """One drawn identity: its parts in any frame."""

    def __init__(self, head: FlameHead, seed: int) -> None:
        rng = np.random.default_rng(100 + seed)
        self.head = head
        self.long = seed % 2 == 1
        self.hair_colour = np.asarray(HAIRS[seed % len(HAIRS)], np.float64)
        self.shirt = np.asarray(SHIRTS[seed % len(SHIRTS)], np.float64)
        self.stripes = 0.25 if seed % 3 == 0 else 0.06
        self.tint = np.asarray(SKINS[seed % len(SKINS)]) / np.asarray(SKINS[0])
        template, basis = head.template.numpy(), head.expression_basis.numpy()
        moved = np.asarray(sum(np.linalg.norm(basis[head.expression_names.index(name)], axis=1) for name in BROWS))
        regions = {name: index.numpy() for name, index in head.regions.items() if name != "scalp"}
        joints = head.joints(head.template[None])[0, 3:].numpy()
        self.skin = face_colours(template, regions, joints, brow_weights(template, moved)) * self.tint
        self.labels = head_labels(head)
        self.thickness = float(rng.uniform(0.008, 0.018))
        self.hairline = float(rng.uniform(0.08, 0.11))
        self.collar = float(rng.uniform(-0.150, -0.125))

    def parts(self, vertices: np.ndarray, place: np.ndarray) -> list[Part]:
        """vertices [V, 3]: the posed head, camera frame; place [3]: where the body stands, camera frame."""
        plain = self.skin.mean(0) * 0 + np.asarray(SKINS[0]) * self.tint
        full = np.linspace(0, 2 * np.pi, 41)
        neck, neck_faces = tube(
            np.array(
                [[-0.02, -0.062, 0.05, 0.05, 0.0], [-0.11, -0.07, 0.054, 0.056, 0.0], [-0.2, -0.08, 0.07, 0.065, 0]]
            ),
            full,
        )
        c = self.collar
        cloth, cloth_faces = tube(
            np.array([
                [c, -0.075, 0.066, 0.068, 0.012], [c - 0.012, -0.078, 0.085, 0.078, 0.010],
                [c - 0.035, -0.085, 0.15, 0.085, 0.0], [c - 0.06, -0.09, 0.2, 0.095, 0.0],
                [c - 0.12, -0.09, 0.235, 0.11, 0.0], [c - 0.35, -0.09, 0.24, 0.12, 0.0],
            ]), full,
        )  # fmt: skip
        worn, hair_faces, rest = hair(self.head, vertices, self.thickness, self.hairline)
        parts = [
            Part(vertices, self.head.faces.numpy(), self.skin, self.labels),
            self._plain(neck + place, neck_faces, np.broadcast_to(plain, neck.shape), Label.NECK),
            self._plain(cloth + place, cloth_faces, self._cloth(cloth), Label.TORSO),
            self._plain(worn, hair_faces, self._strands(rest), Label.HAIR),
        ]
        if self.long:
            turn = np.linspace(0.33 * np.pi, 1.67 * np.pi, 31)
            fall, fall_faces = tube(
                np.array([
                    [0.09, -0.03, 0.088, 0.10, 0.0], [0.0, -0.03, 0.104, 0.115, 0.0],
                    [-0.08, -0.04, 0.112, 0.11, 0.0], [-0.17, -0.04, 0.12, 0.10, 0.0],
                ]), turn,
            )  # fmt: skip
            # Long hair hangs from the head: it follows the skull's middle.
            middle = vertices[self.head.regions["scalp"].numpy()].mean(0) - self._scalp_middle
            parts.append(self._plain(fall + middle, fall_faces, self._strands(fall), Label.HAIR))
        return parts

    @property
    def _scalp_middle(self) -> np.ndarray:
        return self.head.template.numpy()[self.head.regions["scalp"].numpy()].mean(0)

    @staticmethod
    def _plain(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray, label: Label) -> Part:
        return Part(vertices, faces, colours, np.full(len(faces), label))

    def _strands(self, rest: np.ndarray) -> np.ndarray:
        return self.hair_colour * (1 + 0.25 * np.sin(rest @ WAVE))[:, None]

    def _cloth(self, rest: np.ndarray) -> np.ndarray:
        return self.shirt * (1 + self.stripes * np.sign(np.sin(rest @ WAVE)))[:, None]


def room(rng: np.random.Generator, size: int) -> np.ndarray:
    """A background: a gradient, blotches, and some rectangles of other colours.  uint8 [size, size, 3]."""
    base = rng.uniform(60, 190, 3)
    picture = np.full((size, size, 3), base, np.float32)
    picture += np.linspace(-25, 25, size)[:, None, None]
    for _ in range(9):
        x, y = rng.integers(0, size, 2)
        width, height = rng.integers(size // 12, size // 3, 2)
        picture[y : y + height, x : x + width] = rng.uniform(30, 220, 3)
    for cells, amount in ((8, 18), (40, 10)):
        blotches = rng.normal(0, amount, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(blotches, (size, size), interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(picture.clip(0, 255), (0, 0), size / 200).astype(np.uint8)


def draw(head: FlameHead, folder: SubjectFolder, frames: int, seed: int) -> np.ndarray:
    """Write ``video.mp4`` and ``frames.parquet`` as the crop stage would; returns the true labels uint8 [N, H, W]."""
    head = head.double()
    truth = animate(head, frames, seed)
    person, rng = Person(head, seed), np.random.default_rng(seed)
    depth = truth.focal * FACE_WIDTH / (FACE_SHARE * SIZE)
    translation = truth.motion["translation"]
    translation[:, 2] -= translation[:, 2].mean() + depth
    translation[:, 1] += 0.02  # room for the shoulders
    place = translation.mean(0).numpy()
    wall = room(rng, 2 * SIZE)
    light = Light((float(rng.normal(0, 0.4)), 0.35, 0.9), 0.4)
    labels = np.zeros((frames, SIZE, SIZE), np.uint8)
    folder.root.mkdir(parents=True)
    posed = heads(head, truth.shape, truth.motion)
    with VideoWriter(folder.video, crf=10, preset="veryfast") as video:
        for i in tqdm(range(frames), desc=f"drawing person {seed}", unit="frame", mininterval=2.0):
            parts = person.parts(next(posed).numpy(), 0.7 * place + 0.3 * translation[i].numpy())
            starts = np.cumsum([0, *[len(part.vertices) for part in parts]])
            vertices = np.concatenate([part.vertices for part in parts])
            faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
            colours = np.concatenate([part.colours for part in parts]).clip(0, 255)
            # Twice the size, averaged: edges without steps.
            picture, raster = shade(vertices, faces, colours, 2 * truth.focal, 2 * SIZE, light)
            picture[~raster.covered] = wall[~raster.covered]
            of_triangle = np.concatenate([part.labels for part in parts]).astype(np.uint8)
            large = np.where(raster.covered, of_triangle[raster.triangle], np.uint8(Label.BACKGROUND))
            labels[i] = large[1::2, 1::2]
            video.write(filmed(picture, rng))
    write_drawn_table(folder, frames)
    return labels


def measure(head: FlameHead, frames: int, seed: int, scratch: Path) -> dict[str, float]:
    """Draw one person, track and parse it; intersection over union of every class over all frames."""
    folder = SubjectFolder(scratch / f"person-{seed}")
    truth = draw(head, folder, frames, seed)
    with contextlib.redirect_stdout(sys.stderr):
        track.run(folder, track.TrackParams())
        parse.run(folder, parse.ParseParams())
    return compare(np.stack(list(MaskReader(folder.masks))), truth)


def compare(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """IoU of label maps [N, H, W]: the four classes of the contract, their mean, and hair and lips by themselves."""
    classes = {
        "background": (Label.BACKGROUND,), "torso": (Label.TORSO,), "neck": (Label.NECK,), "head": HEAD_LABELS,
        "hair": (Label.HAIR,), "lips": (Label.LIPS, Label.MOUTH),
    }  # fmt: skip
    result = {}
    for name, members in classes.items():
        mine, true = np.isin(found, members), np.isin(truth, members)
        result[name] = float((mine & true).sum() / max((mine | true).sum(), 1))
    result["mean"] = float(np.mean([result[name] for name in ("background", "torso", "neck", "head")]))
    return result


COLUMNS = ("background", "torso", "neck", "head", "mean", "hair", "lips")


def table(rows: list[dict[str, float]]) -> str:
    """Markdown, one line a person and their mean."""
    lines = [f"| person | {' | '.join(COLUMNS)} |", "|" + "---|" * (len(COLUMNS) + 1)]
    mean = {name: float(np.mean([row[name] for row in rows])) for name in COLUMNS}
    named = [(str(number), row) for number, row in enumerate(rows, start=1)] + [("mean", mean)]
    lines += [f"| {name} | {' | '.join(f'{row[column]:.3f}' for column in COLUMNS)} |" for name, row in named]
    return "\n".join(lines)
