"""Every source of landmarks through the track stage: frames keep their places; what is not here is said in one line."""

import shutil
from pathlib import Path

import dlib
import numpy as np
import pytest
import torch
from drawn_subject import FRAMES, hide, make_subject, render, true_points, truth
from made_checkout import assets_with

from models.flame.head import FlameHead
from models.landmarks.boxed import Square
from models.landmarks.dlib68 import BOX_DOWN, BOX_RIGHT, BOX_SIZE, Dlib68
from models.landmarks.fan68 import DOWN, LANDMARKS_RIGHT, MAP_SIZE, SHOWN
from tasks import landmark_source, parse, track
from tasks.artifacts.flame import read_flame
from tasks.artifacts.head import read_head
from tasks.artifacts.landmarks import read_landmarks
from tasks.artifacts.layout import AssetFolder
from tasks.artifacts.masks import Label, MaskReader
from tasks.errors import BadInput
from tasks.fitted_mesh import fitted_mesh
from tasks.overlay import DETECTED, Overlay
from tasks.registry import sha256_of

SOURCES = ("mesh", "dlib68", "fan68")


@pytest.fixture(scope="module")
def head(open_head_path: Path) -> FlameHead:
    return read_head(open_head_path)


@pytest.fixture(scope="module")
def pictures(head: FlameHead) -> list[np.ndarray]:
    return render(head)


@pytest.fixture(scope="module")
def predictor_file(head: FlameHead, pictures: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of dlib's own format: a predictor of 68 points trained on the drawn head."""
    from models.detection.face_detector import FaceDetector

    points = true_points(head, "ibug68")
    shown, marked = [], []
    with FaceDetector(far=False) as boxes:
        for picture, true in zip(pictures, points, strict=True):
            square = Square.round_box(boxes(picture)[0].box, BOX_SIZE, BOX_RIGHT, BOX_DOWN)
            left, top, side = round(square.left), round(square.top), round(square.side)
            rectangle = dlib.rectangle(left, top, left + side - 1, top + side - 1)
            parts = [dlib.point(int(x), int(y)) for x, y in true]
            shown.append(picture)
            marked.append([dlib.full_object_detection(rectangle, parts)])
    options = dlib.shape_predictor_training_options()
    options.cascade_depth, options.tree_depth, options.num_trees_per_cascade_level = 8, 3, 60
    options.oversampling_amount, options.oversampling_translation_jitter = 8, 0.05
    options.feature_pool_region_padding, options.num_threads, options.random_seed = 0.1, 1, "7"
    path = tmp_path_factory.mktemp("dlib") / "shape_predictor_68_face_landmarks.dat"
    dlib.train_shape_predictor(shown, marked, options).save(str(path))
    return path


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predictor_file: Path, open_head_path: Path) -> AssetFolder:
    """A checkout's assets in which dlib68 is the predictor trained here."""
    folder = assets_with(tmp_path / "checkout", open_head_path)
    shutil.copy(predictor_file, folder.dlib68)
    published = "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f"
    text = folder.manifest.read_text()
    assert published in text
    folder.manifest.write_text(text.replace(published, sha256_of(predictor_file)))
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path / "checkout"))
    return folder


class PredictorAsNetwork(torch.nn.Module):
    """In FAN's place, with its contract: heat maps with their peaks where dlib's predictor sees the points."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._predictor = dlib.shape_predictor(str(path))

    def forward(self, shown: torch.Tensor) -> list[torch.Tensor]:
        picture = (255 * shown[0].permute(1, 2, 0)).round().byte().numpy()
        # Where BlazeFace's box lies in what FAN is shown, and dlib's square in that.
        width = 256 / SHOWN
        left, top = 128 - (LANDMARKS_RIGHT + 0.5) * width, 128 - (DOWN + 0.5) * width
        square = Square.round_box((left, top, left + width, top + width), BOX_SIZE, BOX_RIGHT, BOX_DOWN)
        corner = dlib.rectangle(*(round(v) for v in (square.left, square.top)),
                                *(round(v + square.side) - 1 for v in (square.left, square.top)))  # fmt: skip
        found = self._predictor(np.ascontiguousarray(picture), corner)
        points = torch.tensor([(p.x + 0.5, p.y + 0.5) for p in found.parts()]) * MAP_SIZE / 256
        grid = torch.arange(MAP_SIZE) + 0.5
        near = (grid - points[:, :1]).square()[:, None, :] + (grid - points[:, 1:]).square()[:, :, None]
        return [torch.zeros(1, 68, MAP_SIZE, MAP_SIZE), torch.exp(-near / 4)[None]]


@pytest.mark.parametrize("source", SOURCES)
def test_frames_dropped_at_random_shift_nothing(
    source: str, assets: AssetFolder, pictures: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "fan68":
        assets.fan68.parent.mkdir(parents=True)
        assets.fan68.write_bytes(b"read_fan is replaced")
        monkeypatch.setattr(landmark_source, "read_fan", lambda path: PredictorAsNetwork(assets.dlib68))
    rng = np.random.default_rng(SOURCES.index(source))
    dropped = np.sort(rng.choice(np.arange(1, FRAMES - 1), 6, replace=False))
    folder = make_subject(tmp_path, hide(pictures, dropped.tolist()))
    track.run(folder, track.TrackParams(landmarks=source))
    sequence, landmarks = read_flame(folder.flame), read_landmarks(folder.landmarks)
    np.testing.assert_array_equal(sequence.frame, np.arange(FRAMES))
    np.testing.assert_array_equal(landmarks.frame, np.arange(FRAMES))
    np.testing.assert_array_equal(np.flatnonzero(~sequence.tracked), dropped)
    np.testing.assert_array_equal(np.flatnonzero(~landmarks.found), dropped)
    assert (sequence.confidence[dropped] == 0).all()
    assert sequence.usable.all(), "short gaps are filled in"
    # Every frame agrees best with the truth of its own time, not of a neighbour's.
    expected, rows = truth(), np.arange(3, FRAMES - 3)
    for name, column in (("global_rotation", 1), ("jaw_rotation", 0)):
        found, true = getattr(sequence, name)[:, column], expected[name][:, column]
        likeness = [np.corrcoef(found[rows], true[rows + lag])[0, 1] for lag in range(-3, 4)]
        assert int(np.argmax(likeness)) == 3, f"{name} is shifted: {likeness}"
        assert likeness[3] > 0.95
    assert landmarks.layout.name == ("mesh" if source == "mesh" else "ibug68")
    named = {"mesh": "mediapipe face mesh", "dlib68": "dlib 68-point shape predictor", "fan68": "FAN (face-alignment"}
    assert sequence.parts["landmark detector"].startswith(named[source])
    assert sequence.parts["initialisation"].startswith("without DECA")
    assert ("gaze" in sequence.parts) == (source != "mesh")
    if source == "dlib68":
        # Those who need a mesh take the fitted head's.
        mesh = fitted_mesh(read_head(assets.open_head), sequence)
        true = true_points(read_head(assets.open_head), "mesh")
        assert np.median(np.linalg.norm(mesh[..., :2] - true, axis=-1)) < 3.0
        drawn = Overlay(read_head(assets.open_head), sequence, landmarks).draw(pictures[15], 15)
        x, y = (2 * landmarks.points[15, 30, :2]).astype(int)  # the tip of the nose
        assert np.abs(drawn[y, x].astype(int) - DETECTED).sum() < 80
        header = parse.run(folder, parse.ParseParams(samples=4))
        assert header["parts"]["mesh"].startswith("the fitted head's (landmarks: dlib")
        labels = MaskReader(folder.masks)[15]
        assert {Label.EYES, Label.LIPS} <= set(np.unique(labels).tolist())


def test_dlibs_points_lie_where_they_are(head: FlameHead, pictures: list[np.ndarray], predictor_file: Path) -> None:
    points = true_points(head, "ibug68")
    with Dlib68(dlib.shape_predictor(str(predictor_file))) as detector:
        found = np.stack([detector(picture) for picture in pictures[::5]])
        assert detector(np.full((256, 256, 3), 90, np.uint8)) is None
    assert found.shape == (6, 68, 3)
    assert found.dtype == np.float32
    assert (found[..., 2] == 0).all()
    offset = found[..., :2] - points[::5]
    assert np.abs(offset.mean((0, 1))).max() < 0.4, "no constant shift"
    assert np.median(np.linalg.norm(offset, axis=-1)) < 1.5


def test_a_source_that_is_not_here_is_refused_in_one_line(assets: AssetFolder) -> None:
    def refusal(source: landmark_source.Source) -> str:
        with pytest.raises(BadInput) as caught:
            landmark_source.open_source(source, assets)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    line = refusal("fan68")
    assert str(assets.fan68) in line
    assert "adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar" in line
    whole = assets.dlib68.read_bytes()
    assets.dlib68.write_bytes(whole[:1000])
    assert "wrong checksum" in refusal("dlib68")
    assets.dlib68.unlink()
    line = refusal("dlib68")
    assert "'erlnet assets fetch dlib68'" in line
    assert "or use mesh" in line


def test_nothing_is_written_where_the_source_is_not_here(
    assets: AssetFolder, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    folder = make_subject(tmp_path, pictures[:2])
    with pytest.raises(BadInput, match=r"track\.landmarks is fan68"):
        track.run(folder, track.TrackParams(landmarks="fan68"))
    assert not folder.landmarks.exists()
    assert not folder.flame.exists()
