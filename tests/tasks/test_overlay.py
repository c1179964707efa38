"""The overlay of a drawn head whose parameters are known: the mesh lies on it, and gaps are told apart."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_checkout import REPOSITORY, assets_with

from models.flame.camera import project
from models.flame.head import FlameHead
from models.flame.shading import shade
from tasks import overlay
from tasks.artifacts.flame import FlameSequence, write_flame
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.landmarks import LandmarkTrack, write_landmarks
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.video import VideoWriter, read_frames, read_provenance
from tasks.errors import BadInput, DamagedArtifact, MissingInput, StageFailed

SIZE, FRAMES, FOCAL = 128, 5, 250.0
FILLED, LOST = 3, 4


@pytest.fixture(scope="module")
def head(open_head_path: Path) -> FlameHead:
    return read_head(open_head_path)


@pytest.fixture
def subject(tmp_path: Path, head: FlameHead, open_head_path: Path) -> SubjectFolder:
    """Frames 0 to 2 tracked, 3 filled in, 4 lost."""
    sizes = {"expression": head.expression_size, "eyes_rotation": 6}
    names = ("expression", "global_rotation", "neck_rotation", "jaw_rotation", "eyes_rotation", "translation")
    values = {name: np.zeros((FRAMES, sizes.get(name, 3)), np.float32) for name in names}
    values["translation"][:, 2] = -0.6
    values["global_rotation"][:, 1] = np.linspace(-0.2, 0.2, FRAMES)
    with torch.no_grad():
        vertices = head(torch.zeros(1, head.shape_size), **{k: torch.from_numpy(v) for k, v in values.items()})
    points = project(head.embeddings["mesh"].points(vertices, head.faces), FOCAL, SIZE).numpy()
    folder = SubjectFolder(tmp_path / "somebody")
    folder.root.mkdir()
    blue = np.full((len(head.template), 3), (60, 60, 160), np.float32)
    with VideoWriter(folder.video, crf=5) as video:
        for row in vertices.double().numpy():
            video.write(shade(row, head.faces.numpy(), blue, FOCAL, SIZE)[0])
    for value in values.values():
        value[LOST] = np.nan
    tracked = np.arange(FRAMES) < FILLED
    index = np.arange(FRAMES)
    write_flame(
        folder.flame,
        FlameSequence(
            frame=index, t=index / 25, **values, landmark_error=np.where(tracked, 0.5, np.nan).astype(np.float32),
            confidence=tracked.astype(np.float32), tracked=tracked, shape=np.zeros(head.shape_size, np.float32),
            focal=FOCAL, image_size=SIZE, head=head_identity(open_head_path),
        ),
    )  # fmt: skip
    mesh = np.concatenate([points, np.zeros_like(points[..., :1])], -1).astype(np.float32)
    mesh[~tracked] = np.nan
    write_landmarks(folder.landmarks, LandmarkTrack(index, mesh, "made by a test", SIZE))
    return folder


def distances(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(picture.astype(int) - colour).sum(-1)


def test_what_is_drawn(subject: SubjectFolder, head: FlameHead, tmp_path: Path) -> None:
    out = tmp_path / "overlay.mp4"
    assert overlay.run(subject, out) == FRAMES
    assert read_provenance(out) is None, "a provenance record would call a recorded video synthetic"
    recorded, drawn = list(read_frames(subject.video)), list(read_frames(out))
    assert len(drawn) == FRAMES
    assert {picture.shape for picture in drawn} == {(512, 512, 3)}
    below_the_words = np.s_[40:]
    plain = [np.kron(picture, np.ones((4, 4, 1))).astype(int) for picture in recorded]
    changed = [
        (np.abs(d.astype(int) - p).sum(-1) > 60)[below_the_words].mean() for d, p in zip(drawn, plain, strict=True)
    ]
    assert min(changed[:LOST]) > 0.04
    assert changed[LOST] < 0.01, "nothing may be drawn where nothing is known"
    assert (distances(drawn[LOST], overlay.FILLED)[:40] < 150).sum() > 200, "but it is said in words"
    assert (distances(drawn[0], overlay.FILLED)[:40] < 150).sum() == 0


def test_landmarks_and_mesh_lie_on_the_head(subject: SubjectFolder, head: FlameHead) -> None:
    from tasks.artifacts.flame import read_flame
    from tasks.artifacts.landmarks import read_landmarks

    sequence, landmarks = read_flame(subject.flame), read_landmarks(subject.landmarks)
    painter = overlay.Overlay(head, sequence, landmarks)
    recorded = list(read_frames(subject.video))
    seen = painter.draw(recorded[1], 1)
    # The tip of the nose: the detector's dot lies on the model's and is drawn last.
    x, y = (4 * landmarks.points[1, 4, :2]).astype(int)
    assert distances(seen[y, x][None], overlay.DETECTED)[0] < 80
    background = np.abs(recorded[1].astype(int) - (90, 100, 110)).sum(-1) < 20
    outside = np.kron(background, np.ones((4, 4))).astype(bool)
    outside[:40] = False
    before = np.kron(recorded[1], np.ones((4, 4, 1)))
    touched = np.abs(seen - before).sum(-1) > 90
    assert touched[outside].mean() < 0.01, "mesh and landmarks stay on the head"
    # The model's own dot shows where the detector saw nothing.
    filled = painter.draw(recorded[FILLED], FILLED)
    assert (distances(filled, overlay.FITTED) < 80).sum() > 200
    assert (distances(filled, overlay.DETECTED) < 80).sum() == 0
    assert (distances(seen, overlay.DETECTED) < 80).sum() > 200


def test_refusals(subject: SubjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for out, reason in (
        (tmp_path / "overlay.avi", r"ends in \.mp4"),
        (tmp_path / "nowhere" / "overlay.mp4", "does not exist"),
        (subject.video, "own video"),
    ):
        with pytest.raises(BadInput, match=reason):
            overlay.run(subject, out)
    out = tmp_path / "overlay.mp4"
    monkeypatch.setattr(overlay, "head_identity", lambda path: {"name": "another", "sha256": "0"})
    with pytest.raises(StageFailed, match="another head model"):
        overlay.run(subject, out)
    monkeypatch.undo()
    pictures = list(read_frames(subject.video))
    for kept in (pictures[:-1], [*pictures, pictures[0]]):
        with VideoWriter(subject.video) as video:
            for picture in kept:
                video.write(picture)
        with pytest.raises(DamagedArtifact, match="the 5 frames"):
            overlay.run(subject, out)
    subject.video.unlink()
    with pytest.raises(MissingInput, match="crop"):
        overlay.run(subject, out)
    assert not out.exists()


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    assert overlay.main(["--subject", "nobody", "--out", str(tmp_path / "o.mp4")]) == 2
    assert "no subject 'nobody'" in capsys.readouterr().err


def test_the_erlnet_command(subject: SubjectFolder, open_head_path: Path, tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    assets_with(root, open_head_path)
    (root / "data" / "subjects").mkdir()
    shutil.copytree(subject.root, root / "data" / "subjects" / "somebody")
    environment = {**os.environ, "ERLNET_ROOT": str(root), "PYTHONPATH": str(REPOSITORY)}

    def erlnet(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flows.cli", "overlay", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    result = erlnet("--subject", "somebody")
    assert result.returncode == 0, result.stderr
    assert len(list(read_frames(tmp_path / "somebody_overlay.mp4"))) == FRAMES
    assert "overlay: 100%" in result.stderr, "progress is shown"
    assert f"{FRAMES} frames in" in result.stdout
    result = erlnet("--subject", "nobody")
    assert (result.returncode, result.stderr) == (
        2,
        "erlnet: error: no subject 'nobody': 'erlnet status' lists subjects\n",
    )
    result = erlnet("--subject", "somebody", "--out", "x.avi")
    assert result.returncode == 2
    assert result.stderr.startswith("overlay: error: --out ")
    assert result.stderr.count("\n") == 1
    (root / "data" / "subjects" / "somebody" / "flame.parquet").unlink()
    result = erlnet("--subject", "somebody")
    assert result.returncode == 1
    assert "made by the track stage" in result.stderr
    assert result.stderr.count("\n") == 1
