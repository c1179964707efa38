"""The track stage on a rendered head whose motion is known, and on what it must refuse."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from models.flame.head import FlameHead
from models.flame.shading import face_colours, shade
from tasks import track
from tasks.artifacts.flame import read_flame
from tasks.artifacts.frames import FrameTable, write_frames
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.landmarks import read_landmarks
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.metrics import read_metrics
from tasks.artifacts.video import VideoWriter
from tasks.errors import BadInput, DamagedArtifact, MissingInput
from tasks.scoring.tracking import gaps, verdict

FRAMES, SIZE, FOCAL = 30, 256, 700.0
HIDDEN = (11, 12, 13)


def make_subject(root: Path, pictures: list[np.ndarray], listed: int | None = None) -> SubjectFolder:
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


def truth() -> dict[str, np.ndarray]:
    t = np.arange(FRAMES)
    rotation = np.stack([0.06 * np.sin(t / 5), 0.25 * np.sin(t / 7 + 0.3), 0.03 * np.sin(t / 9)], 1)
    jaw = np.zeros((FRAMES, 3))
    jaw[:, 0] = 0.13 * (1 - np.cos(t / 2.5))
    return {"global_rotation": rotation, "jaw_rotation": jaw}


def render(head: FlameHead) -> list[np.ndarray]:
    values = truth()
    zeros = {"expression": head.expression_size, "neck_rotation": 3, "eyes_rotation": 6, "translation": 3}
    inputs = {name: torch.zeros(FRAMES, size) for name, size in zeros.items()}
    inputs |= {name: torch.from_numpy(value).float() for name, value in values.items()}
    inputs["translation"][:, 2] = -0.75
    vertices = head(shape=torch.zeros(1, head.shape_size), **inputs).numpy()
    template = head.template.numpy()
    regions = {name: index.numpy() for name, index in head.regions.items()}
    joints = head.joints(head.template[None])[0, 3:].numpy()
    colours = face_colours(template, regions, joints)
    pictures = [shade(v.astype(np.float64), head.faces.numpy(), colours, FOCAL, SIZE)[0] for v in vertices]
    for i in HIDDEN:
        pictures[i] = np.full_like(pictures[i], 90)
    return pictures


@pytest.fixture(scope="module")
def tracked(open_head_path: Path, tmp_path_factory: pytest.TempPathFactory) -> SubjectFolder:
    folder = make_subject(tmp_path_factory.mktemp("subjects"), render(read_head(open_head_path)))
    track.run(folder, track.TrackParams())
    return folder


def test_a_rendered_head_comes_back(tracked: SubjectFolder, open_head_path: Path) -> None:
    sequence = read_flame(tracked.flame)
    seen = sequence.tracked
    expected = truth()
    np.testing.assert_array_equal(np.flatnonzero(~seen), HIDDEN)
    error = Rotation.from_rotvec(sequence.global_rotation) * Rotation.from_rotvec(expected["global_rotation"]).inv()
    assert np.median(np.degrees(error.magnitude())[seen]) < 2.0
    assert np.corrcoef(sequence.jaw_rotation[seen, 0], expected["jaw_rotation"][seen, 0])[0, 1] > 0.95
    assert (sequence.neck_rotation == 0).all()
    assert sequence.head == head_identity(open_head_path)
    assert "not used (no licensed file)" in sequence.parts["initialisation"]
    assert sequence.parts["head model"] == "open head (stands in for FLAME)"


def test_one_row_a_frame_and_gaps_filled_but_marked(tracked: SubjectFolder) -> None:
    sequence, landmarks = read_flame(tracked.flame), read_landmarks(tracked.landmarks)
    np.testing.assert_array_equal(sequence.frame, np.arange(FRAMES))
    np.testing.assert_array_equal(landmarks.frame, np.arange(FRAMES))
    assert sequence.usable.all()
    assert (sequence.confidence[list(HIDDEN)] == 0).all()
    assert np.isnan(landmarks.points[list(HIDDEN)]).all()
    assert (sequence.confidence[sequence.tracked] > 0.5).all()
    middle = sequence.global_rotation[HIDDEN[1]]
    assert np.abs(middle - truth()["global_rotation"][HIDDEN[1]]).max() < 0.06


def test_quality_is_written(tracked: SubjectFolder) -> None:
    metrics = read_metrics(tracked.track_metrics, "the track stage")
    assert metrics["mesh_error_percent"]["median"] < 1.0
    assert metrics["coverage"] == pytest.approx(27 / 30, abs=1e-4)
    assert metrics["gaps"] == {"number": 1, "longest": 3}
    assert metrics["filled_frames"] == 3
    assert metrics["verdict"].startswith("usable: coverage")
    json.dumps(metrics, allow_nan=False)


@pytest.mark.usefixtures("open_head_path")
def test_a_video_without_a_face_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = make_subject(tmp_path, [np.full((SIZE, SIZE, 3), 120, np.uint8)] * 12)
    with pytest.raises(BadInput, match="0 % of the 12 frames"):
        track.run(folder, track.TrackParams())
    assert not folder.flame.exists()
    assert not folder.landmarks.exists()


@pytest.mark.usefixtures("open_head_path")
def test_a_video_that_does_not_match_its_table_is_damage(tmp_path: Path) -> None:
    grey = np.full((SIZE, SIZE, 3), 120, np.uint8)
    for name, listed in (("short", 14), ("long", 11)):
        folder = make_subject(tmp_path / name, [grey] * 12, listed=listed)
        with pytest.raises(DamagedArtifact, match=f"the {listed} frames"):
            track.run(folder, track.TrackParams())
    folder.video.unlink()
    with pytest.raises(MissingInput, match="crop"):
        track.run(folder, track.TrackParams())


def test_verdict_names_the_first_reason() -> None:
    good = {"mesh_error_percent": {"median": 0.5, "p95": 1.5}, "coverage": 1.0}
    assert verdict(good) == "good"
    assert verdict(good | {"coverage": 0.8}) == "usable: coverage 0.8 below 0.95"
    assert verdict(good | {"coverage": 0.3}) == "poor: coverage 0.3 below 0.7"
    blurred = {"mesh_error_percent": {"median": 1.4, "p95": 5.0}, "coverage": 1.0}
    assert verdict(blurred) == "poor: p95 error 5.0 % above 4.0 %"


def test_gaps() -> None:
    seen = np.array([c == "1" for c in "0110001011"])
    assert gaps(seen) == [1, 3, 1]
    assert gaps(np.ones(4, bool)) == []
