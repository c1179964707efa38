"""The track stage on a rendered head whose motion is known, and on what it must refuse."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_subject import FRAMES, SIZE, hide, make_subject, render, truth
from scipy.spatial.transform import Rotation

from tasks import track
from tasks.artifacts.flame import read_flame
from tasks.artifacts.frames import read_frame_table
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.landmarks import read_landmarks
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.metrics import read_metrics
from tasks.errors import BadInput, DamagedArtifact, MissingInput
from tasks.scoring.tracking import gaps, verdict

HIDDEN = (11, 12, 13)


@pytest.fixture(scope="module")
def tracked(open_head_path: Path, tmp_path_factory: pytest.TempPathFactory) -> SubjectFolder:
    folder = make_subject(tmp_path_factory.mktemp("subjects"), hide(render(read_head(open_head_path)), [*HIDDEN]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERLNET_ROOT", str(folder.root))  # a checkout without a head model of its own
        track.run(folder, track.TrackParams(), open_head_path)
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
    assert sequence.parts["initialisation"].startswith("without DECA: similarity fit")
    assert "gaze" not in sequence.parts
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
    assert metrics["gaps"] == {"number": 1, "longest": 3, "filled": 1, "split": 0}
    assert metrics["filled_frames"] == 3
    assert metrics["verdict"] == "fair: a face was seen in 90 % of the frames, below 95 %"
    assert metrics["verdict_limits"]["good"]["coverage"] == 0.95
    # The outer corners of the eyes are nearer to each other than the ears: the same errors are a larger share of that.
    share = metrics["mesh_error_eye_percent"]["median"] / metrics["mesh_error_percent"]["median"]
    assert share == pytest.approx(metrics["face_width_px"] / metrics["eye_distance_px"], rel=0.02)
    assert metrics["mesh_error_px"]["median"] == pytest.approx(
        metrics["mesh_error_eye_percent"]["median"] * metrics["eye_distance_px"] / 100, rel=0.02
    )
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


class Follower:
    """Detects the picture's brightness, and in ``z`` how many pictures it has seen."""

    name, points = "follower", 3

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        self.seen += 1
        return np.tile(np.float32([rgb.mean(), 0, self.seen]), (3, 1)) if rgb.mean() < 200 else None

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_a_long_clip_is_looked_at_in_two_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [np.full((SIZE, SIZE, 3), 20 + 4 * k, np.uint8) for k in range(51)]
    folder = make_subject(tmp_path, shown)
    table = read_frame_table(folder.frames)
    monkeypatch.setattr(track, "SPLIT_FROM", 50)
    found, hidden = track.detect(folder, table, Follower)
    seen = np.arange(51) < 45
    np.testing.assert_array_equal(found.found, seen)
    np.testing.assert_allclose(found.points[seen, 0, 0], [20 + 4 * k for k in range(45)], atol=2)
    assert not hidden.any()
    expected = np.concatenate([np.arange(25) + 1, np.arange(26) + track.WARM_UP + 1])
    np.testing.assert_array_equal(found.points[seen, 0, 2], expected[seen])
    for listed in (50, 52, 70):
        folder = make_subject(tmp_path / str(listed), shown, listed=listed)
        with pytest.raises(DamagedArtifact, match=f"the {listed} frames"):
            track.detect(folder, read_frame_table(folder.frames), Follower)


def test_verdict_names_the_first_reason() -> None:
    good = {"mesh_error_percent": {"median": 0.5, "p95": 1.5}, "coverage": 1.0}
    assert verdict(good) == "good"
    assert verdict(good | {"coverage": 0.8}) == "fair: a face was seen in 80 % of the frames, below 95 %"
    assert verdict(good | {"coverage": 0.3}) == "poor: a face was seen in 30 % of the frames, below 70 %"
    blurred = {"mesh_error_percent": {"median": 1.4, "p95": 5.0}, "coverage": 1.0}
    assert verdict(blurred) == "poor: p95 error 5.0 % of the face width is above 4 %"


def test_gaps() -> None:
    seen = np.array([c == "1" for c in "0110001011"])
    assert gaps(seen) == [1, 3, 1]
    assert gaps(np.ones(4, bool)) == []
