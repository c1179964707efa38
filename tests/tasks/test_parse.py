"""The parse stage on the sample's first second: labels where they belong, tables that must agree, gaps."""

import errno
from itertools import islice

import numpy as np
import pytest

from models.landmarks.face_mesh import FaceMesh
from models.parsing.plate import BackgroundPlate
from tasks import parse, stage
from tasks.artifacts.background import read_background
from tasks.artifacts.flame import FlameSequence, write_flame
from tasks.artifacts.landmarks import LandmarkTrack, write_landmarks
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.masks import HEAD_LABELS, Label, MaskReader
from tasks.artifacts.tables import read_table
from tasks.artifacts.video import VideoWriter
from tasks.errors import DamagedArtifact, StageFailed
from tasks.ingest.source import SourceVideo
from tasks.ingest.upright import Upright
from tasks.parse import ParseParams
from tasks.split import train_length

FRAMES = 12


@pytest.fixture(scope="module")
def pictures(sample_clip) -> list[np.ndarray]:
    with SourceVideo(sample_clip) as source:
        upright = Upright(source.facts, (192, 192), (80, 0, 560, 480))
        return [upright(frame) for _, frame in islice(source.frames(), FRAMES)]


@pytest.fixture(scope="module")
def mesh(pictures) -> np.ndarray:
    with FaceMesh() as find:
        return np.stack([find(picture) for picture in pictures])


def sequence(head_sizes: tuple[int, int], frames: int, tracked: bool) -> FlameSequence:
    """A head that looks into the camera from where the sample's man does, or one that was never tracked."""
    ids = np.arange(frames)

    def column(*values):
        row = np.array(values, np.float32) if tracked else np.full(len(values), np.nan, np.float32)
        return np.tile(row, (frames, 1))

    return FlameSequence(
        frame=ids, t=ids / 25, expression=column(*[0.0] * head_sizes[1]), global_rotation=column(0, 0, 0),
        neck_rotation=column(0, 0, 0), jaw_rotation=column(0, 0, 0), eyes_rotation=column(*[0.0] * 6),
        translation=column(-0.03, 0.0, -1.2), landmark_error=np.ones(frames, np.float32),
        confidence=np.ones(frames, np.float32), tracked=np.full(frames, tracked),
        shape=np.zeros(head_sizes[0], np.float32), focal=450.0, image_size=192,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path, pictures, mesh, open_head_path, monkeypatch) -> SubjectFolder:
    made = SubjectFolder.of("someone", tmp_path)
    with VideoWriter(made.video, crf=10, preset="ultrafast") as video:
        for picture in pictures:
            video.write(picture)
    write_landmarks(made.landmarks, LandmarkTrack(np.arange(FRAMES), mesh, "mesh", 192))
    write_flame(made.flame, sequence((5, 5), FRAMES, tracked=False))
    return made


def outputs(folder: SubjectFolder) -> set[str]:
    return {path.name for path in folder.root.iterdir()} & {folder.masks.name, folder.background.name}


def test_labels_of_the_sample(folder, mesh):
    header = parse.run(folder, ParseParams(samples=6))
    masks = MaskReader(folder.masks)
    assert len(masks) == FRAMES
    for i in (0, 5, 11):
        labels = masks[i]
        assert labels.shape == (192, 192)

        def at(point, labels=labels, i=i):
            x, y = mesh[i, point, :2]
            return Label(labels[int(y), int(x)])

        assert at(1) == Label.HEAD  # nose
        assert at(50) == at(280) == Label.HEAD  # cheeks
        assert labels[5, 5] == labels[60, 180] == Label.BACKGROUND
        assert labels[180, 80] == Label.TORSO
        x, chin = mesh[i, 152, :2]
        assert labels[int(chin) + 5, int(x)] == Label.NECK
        shares = np.bincount(labels.ravel(), minlength=8) / labels.size
        assert 0.1 < sum(shares[label] for label in HEAD_LABELS) < 0.25
        assert 0.2 < shares[Label.TORSO] < 0.4
        assert shares[Label.LIPS] > 0.001
    assert header["frames_without_face"] == 0
    assert header["frames_without_fitted_head"] == FRAMES
    assert "stands in for BiSeNet" in header["parts"]["parsing"]
    assert "selfie" in header["parts"]["matte"]
    stored = read_table(folder.masks, "erlnet.masks/2", ["frame"], "parse")[1]
    assert {key: stored[key] for key in header} == header
    background = read_background(folder.background)
    assert background.shape == (192, 192, 3)
    assert 0.2 < header["background_inpainted_share"] < 0.7


def test_the_same_input_gives_the_same_bytes(folder):
    parse.run(folder, ParseParams(samples=4))
    first = folder.masks.read_bytes(), folder.background.read_bytes()
    parse.run(folder, ParseParams(samples=4))
    assert (folder.masks.read_bytes(), folder.background.read_bytes()) == first


def test_colours_and_background_are_learnt_from_the_training_part_only(folder, pictures, monkeypatch):
    last = train_length(FRAMES)
    with VideoWriter(folder.video, crf=10, preset="ultrafast") as video:
        for picture in [*pictures[:last], *[np.full_like(picture, 255) for picture in pictures[last:]]]:
            video.write(picture)
    seen = []

    class Spy(BackgroundPlate):
        def add(self, rgb, person):
            seen.append(float(rgb.mean()))
            super().add(rgb, person)

    monkeypatch.setattr(parse, "BackgroundPlate", Spy)
    parse.run(folder, ParseParams(samples=100))
    assert len(seen) == last < FRAMES
    assert max(seen) < 200


def test_with_a_fitted_head(folder):
    from tasks.artifacts.head import read_head

    head = read_head(AssetFolder.default().open_head)
    write_flame(folder.flame, sequence((head.shape_size, head.expression_size), FRAMES, tracked=True))
    header = parse.run(folder, ParseParams(samples=4))
    assert header["frames_without_fitted_head"] == 0
    labels = MaskReader(folder.masks)[6]
    assert (labels == Label.NECK).mean() > 0.005


def test_frames_without_a_face_keep_their_place(folder, mesh):
    points = mesh.copy()
    points[3:11] = np.nan
    write_landmarks(folder.landmarks, LandmarkTrack(np.arange(FRAMES), points, "mesh", 192))
    header = parse.run(folder, ParseParams(samples=6, fill_gap=5))
    assert header["frames_without_face"] == 8
    masks = MaskReader(folder.masks)
    assert set(np.unique(masks[6])) == {Label.BACKGROUND, Label.TORSO}
    assert Label.LIPS in np.unique(masks[0])
    assert Label.LIPS in np.unique(masks[11])


def test_no_face_at_all(folder, mesh):
    write_landmarks(folder.landmarks, LandmarkTrack(np.arange(FRAMES), np.full_like(mesh, np.nan), "mesh", 192))
    with pytest.raises(StageFailed, match="a face in none of its 12 frames"):
        parse.run(folder, ParseParams())
    assert outputs(folder) == set()


@pytest.mark.parametrize("rows", [FRAMES - 1, FRAMES + 2])
def test_tables_and_video_must_agree(folder, mesh, rows):
    points = mesh[np.minimum(np.arange(rows), FRAMES - 1)]
    write_landmarks(folder.landmarks, LandmarkTrack(np.arange(rows), points, "mesh", 192))
    with pytest.raises(DamagedArtifact, match="rows"):
        parse.run(folder, ParseParams(samples=4))
    write_flame(folder.flame, sequence((5, 5), rows, tracked=False))
    with pytest.raises(DamagedArtifact, match=r"video\.mp4"):
        parse.run(folder, ParseParams(samples=4))
    assert outputs(folder) == set()


def test_a_full_disk_leaves_nothing(folder, monkeypatch, capsys):
    def full(self, *_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device", str(folder.masks))

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
    root = folder.root.parents[2]
    (root / "params.yaml").write_text("profiles: {demo: {parse: {samples: 4}}}\n")
    (root / "data" / "assets").symlink_to(AssetFolder.default().root)
    monkeypatch.setenv("ERLNET_ROOT", str(root))
    assert stage.main("parse", ParseParams, parse.run, ["--subject", "someone", "--profile", "demo"]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("parse: error")]
    assert len(errors) == 1
    assert "the disk is full" in errors[0]
    assert outputs(folder) == set()
    assert not [path for path in folder.root.iterdir() if ".tmp-" in path.name]
