"""A synthetic subject with every artifact, and fakes of the trained parts that keep their contracts.

The "face" is a disc whose position and mouth follow FLAME parameters, so a fake portrait can repaint it and a fake
mesh can find it: the stages round them run in a second, with known answers.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import torch

from models.landmarks.face_mesh import LANDMARKS
from models.landmarks.ibug68 import MESH_TO_IBUG68
from models.nerf.torso.motion import COEFFICIENTS, still
from tasks.artifacts.audio import write_audio
from tasks.artifacts.curve import write_curve
from tasks.artifacts.flame import FlameSequence, write_flame
from tasks.artifacts.frames import FrameTable, write_frames
from tasks.artifacts.landmarks import LandmarkTrack, write_landmarks
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.masks import Label, write_masks
from tasks.artifacts.metrics import write_metrics
from tasks.artifacts.speech import SpeechTrack, write_speech
from tasks.artifacts.subject import Consent, Source, SubjectRecord, write_subject
from tasks.artifacts.torso import TorsoTrack, write_torso
from tasks.artifacts.video import VideoWriter
from tasks.artifacts.weights import write_weights
from tasks.portrait import FILMED, View
from tasks.scoring.tracking import LIMITS
from tasks.speaker import Delivery

FRAMES, SIZE = 44, 96  # 40 train, 4 are held out


def flame(frames: int = FRAMES, size: int = SIZE) -> FlameSequence:
    """The disc's path: expression[0] opens the mouth, translation moves it."""
    t = np.arange(frames) / 25
    zeros = np.zeros((frames, 3), np.float32)
    expression = np.zeros((frames, 4), np.float32)
    expression[:, 0] = 0.5 + 0.5 * np.sin(9 * t)
    translation = np.stack([0.1 * np.sin(2 * t), 0.05 * np.cos(3 * t), np.full_like(t, -1)], 1).astype(np.float32)
    return FlameSequence(
        np.arange(frames), t, expression, zeros, zeros, zeros, np.zeros((frames, 6), np.float32), translation,
        np.full(frames, 0.8, np.float32), np.ones(frames, np.float32), np.ones(frames, bool),
        np.zeros(3, np.float32), float(size), size, 25.0,
        {"name": "fake head", "sha256": "0" * 64}, {"head model": "open head (stands in for FLAME)"},
    )  # fmt: skip


def centre(sequence: FlameSequence, row: int, size: int = SIZE) -> tuple[float, float]:
    x, y, _ = sequence.translation[row]
    return size / 2 + size * float(x), size / 2 - size * float(y)


def paint(sequence: FlameSequence, row: int, size: int = SIZE) -> np.ndarray:
    """uint8 RGB picture of one row."""
    picture = np.full((size, size, 3), (60, 90, 140), np.uint8)
    x, y = (round(v) for v in centre(sequence, row, size))
    cv2.rectangle(picture, (size // 4, size * 3 // 4), (size * 3 // 4, size), (90, 60, 60), -1)
    cv2.circle(picture, (x, y), size // 4, (220, 180, 150), -1)
    opening = round(size / 12 * float(sequence.expression[row, 0]))
    cv2.ellipse(picture, (x, y + size // 10), (size // 12, max(1, opening)), 0, 0, 360, (120, 20, 30), -1)
    return picture


def mesh(sequence: FlameSequence, row: int, size: int = SIZE) -> np.ndarray:
    """float32 [478, 3]: a spiral over the disc; the inner lips open with expression[0]."""
    angle = np.linspace(0, 40, LANDMARKS)
    radius = np.linspace(0.02, 0.25, LANDMARKS) * size
    x, y = centre(sequence, row, size)
    points = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle), 0 * angle], 1)
    points[MESH_TO_IBUG68[66], 1] += size / 6 * sequence.expression[row, 0]
    return points.astype(np.float32)


def labels(sequence: FlameSequence, row: int, size: int = SIZE) -> np.ndarray:
    picture = np.zeros((size, size), np.uint8)
    x, y = (round(v) for v in centre(sequence, row, size))
    cv2.rectangle(picture, (size // 4, size * 3 // 4), (size * 3 // 4, size), int(Label.TORSO), -1)
    cv2.rectangle(picture, (size * 2 // 5, size * 2 // 3), (size * 3 // 5, size * 5 // 6), int(Label.NECK), -1)
    cv2.circle(picture, (x, y), size // 4, int(Label.HEAD), -1)
    return picture


def speech(frames: int = FRAMES) -> SpeechTrack:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(frames, 8)).astype(np.float32)
    return SpeechTrack(np.arange(frames), features, np.full(frames, -20, np.float32), "fake encoder")


def track_metrics() -> dict[str, Any]:
    """As the track stage writes them, of a clip in which every frame was seen."""
    figures = {"median": 0.5, "p95": 1.25}
    return {
        "landmarks": "mesh", "mesh_error_percent": figures, "mesh_error_eye_percent": figures, "mesh_error_px": figures,
        "lips_error_percent": figures, "jitter_percent": {"detector": 0.54, "model": 0.37}, "coverage": 1.0,
        "gaps": {"number": 0, "longest": 0, "filled": 0, "split": 0}, "filled_frames": 0, "verdict": "good",
        "verdict_limits": LIMITS,
    }  # fmt: skip


def make_subject(root: Path, record: dict[str, Any] | None = None) -> SubjectFolder:
    """Write every artifact up to the trained networks (whose files are placeholders) below ``root``."""
    folder = SubjectFolder.of("made", root)
    values: dict[str, Any] = {
        "id": "made",
        "source": Source(name="made.mp4", sha256="ab" * 32, bytes=12345),
        "consent": Consent(statement="I agree", recorded="2026-01-01T00:00:00Z"),
        "profile": "demo",
    }
    write_subject(folder.record, SubjectRecord(**(values | (record or {}))))
    sequence = flame()
    with VideoWriter(folder.video, crf=4) as video:
        for row in range(FRAMES):
            video.write(paint(sequence, row))
    sound = 0.3 * np.sin(2 * np.pi * 220 * np.arange(FRAMES * 640) / 16000)
    write_audio(folder.audio, sound)
    box = np.tile(np.float32([20, 20, 70, 75]), (FRAMES, 1))
    table = FrameTable(np.arange(FRAMES), sequence.t, sequence.t, box, np.ones(FRAMES), {
        "fps": 25.0, "image_size": SIZE, "crop_box": [0, 0, SIZE, SIZE], "detector": "fake detector",
        "source": {"width": SIZE, "height": SIZE, "fps": 25.0, "video_codec": "h264"},
    })  # fmt: skip
    write_frames(folder.frames, table)
    write_flame(folder.flame, sequence)
    points = np.stack([mesh(sequence, row) for row in range(FRAMES)])
    write_landmarks(folder.landmarks, LandmarkTrack(np.arange(FRAMES), points, "fake mesh", SIZE))
    write_masks(folder.masks, (labels(sequence, row) for row in range(FRAMES)), {"parts": {"matte": "fake matte"}})
    cv2.imwrite(str(folder.background), np.full((SIZE, SIZE, 3), 90, np.uint8))
    write_speech(folder.speech, speech())
    write_metrics(folder.track_metrics, track_metrics())
    write_torso(
        folder.torso,
        TorsoTrack(np.arange(FRAMES), still(FRAMES).numpy(), np.zeros(FRAMES), np.ones(FRAMES), "fake torso"),
    )
    for weights, curve, metrics, seed in (
        (folder.adf, folder.adf_curve, folder.adf_metrics, 1),
        (folder.nerf, folder.nerf_curve, folder.nerf_metrics, 2),
    ):
        write_weights(
            weights, {"w": torch.full((3,), float(seed))}, {"format": "fake", "parts": {weights.stem: "fake"}}
        )
        write_curve(curve, [{"step": s, "loss": 1 / (1 + s * seed)} for s in range(0, 50, 5)])
        write_metrics(metrics, {"loss": 0.1 * seed})
    return folder


class FakePortrait:
    """Keeps tasks.portrait's contract; paints the disc, brighter by ``offset``."""

    offset = 10
    torsos: ClassVar[list[np.ndarray | None]] = []
    views: ClassVar[list[View]] = []
    sequences: ClassVar[list[FlameSequence]] = []

    def __init__(self, image_size: int = SIZE):
        self.image_size = image_size
        self.identity = {"parts": {"portrait": "fake"}}

    @classmethod
    def load(cls, nerf: Path, head: Path) -> "FakePortrait":
        assert nerf.exists()
        return cls()

    def render(
        self,
        sequence: FlameSequence,
        size: int | None = None,
        torso: np.ndarray | None = None,
        view: View = FILMED,
    ) -> Iterator[np.ndarray]:
        assert torso is None or torso.shape == (len(sequence), 2, COEFFICIENTS)
        FakePortrait.torsos.append(torso)
        FakePortrait.views.append(view)
        FakePortrait.sequences.append(sequence)
        size = size or self.image_size
        for row in range(len(sequence)):
            picture = np.clip(paint(sequence, row, size).astype(int) + self.offset, 0, 255).astype(np.uint8)
            if view.background == "transparent":
                picture = np.concatenate([picture, np.full_like(picture[..., :1], 255)], 2)
                picture[: size // 8] = 0
            yield picture


class FakeSpeaker:
    """Keeps tasks.speaker's contract: moves the mouth with the first speech feature, holds the head still."""

    heard: SpeechTrack | None = None
    encoder = "moonshine tiny"
    style: FlameSequence | None = None
    delivery: Delivery | None = None

    @classmethod
    def load(cls, adf: Path) -> "FakeSpeaker":
        assert adf.exists()
        return cls()

    def speak(
        self,
        track: SpeechTrack,
        style: FlameSequence,
        seed: int = 0,
        temperature: float = 1.0,
        delivery: Delivery | None = None,
    ) -> FlameSequence:
        FakeSpeaker.heard, FakeSpeaker.style, FakeSpeaker.delivery = track, style, delivery
        sequence = flame(len(track))
        expression = sequence.expression.copy()
        expression[:, 0] = 1 / (1 + np.exp(-track.features[:, 0]))
        return replace(sequence, expression=expression, frame=track.frame)

    def offset(self, track: SpeechTrack, sequence: FlameSequence) -> tuple[int, float] | None:
        assert track.frame.tolist() == sequence.frame.tolist()
        return 2, 0.5


class FakeMesh:
    """Finds the disc's centre by its colour and the mouth's opening by its red, returns the mesh there."""

    name = "fake mesh"
    blind = False

    def __init__(self, static: bool = False):
        assert static

    def __enter__(self) -> "FakeMesh":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        if FakeMesh.blind:
            return None
        size = len(rgb)
        skin = (rgb[..., 0] > 170) & (rgb[..., 2] > 110)
        mouth = (rgb[..., 0].astype(int) - rgb[..., 1] > 70) & ~skin
        found = np.argwhere(skin | mouth)
        if not len(found):
            return None
        y, x = (found.min(0) + found.max(0)) / 2
        sequence = flame(1)
        sequence.translation[0, :2] = (x - size / 2) / size, (size / 2 - y) / size
        rows = np.argwhere(mouth)[:, 0]
        sequence.expression[0, 0] = (np.ptp(rows) / 2) / (size / 12) if len(rows) else 0
        return mesh(sequence, 0, size)
