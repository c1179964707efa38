"""Labels of a parsing network: the mapping of its classes, the vote, and the stage with a file of the right layout."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.parsing.bisenet import CLASSES, BiSeNet
from tasks import parse, stage
from tasks.artifacts.background import read_background
from tasks.artifacts.landmarks import LandmarkTrack, write_landmarks
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.masks import HEAD_LABELS, Label, MaskReader
from tasks.artifacts.video import VideoWriter
from tasks.parse import ParseParams
from tasks.parsing import network
from tasks.registry import sha256_of

FRAMES, SIZE = 12, 64


def test_the_mapping_of_the_19_classes():
    label = dict(zip(range(19), network.LABEL_OF_CLASS, strict=True))
    assert label[0] == Label.BACKGROUND
    assert all(label[k] in HEAD_LABELS for k in [*range(1, 14), 17, 18])
    assert label[14] == label[15] == Label.NECK
    assert label[16] == Label.TORSO
    assert label[4] == label[5] == Label.EYES
    assert label[11] == Label.MOUTH
    assert label[12] == label[13] == Label.LIPS
    assert label[17] == label[18] == Label.HAIR
    assert label[1] == label[10] == Label.HEAD


@pytest.fixture
def folder(tmp_path, monkeypatch) -> SubjectFolder:
    """A subject whose frames are red but for one, which is green, in the checkout at tmp_path."""
    made = SubjectFolder.of("someone", tmp_path)
    made.root.mkdir(parents=True)
    (tmp_path / "data" / "assets" / "licensed").mkdir(parents=True)
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    (tmp_path / "params.yaml").write_text("profiles: {demo: {parse: {source: bisenet, samples: 3}}}\n")
    with VideoWriter(made.video, crf=1, preset="ultrafast") as video:
        for k in range(FRAMES):
            picture = np.zeros((SIZE, SIZE, 3), np.uint8)
            picture[..., 1 if k == 6 else 0] = 200
            video.write(picture)
    points = np.zeros((FRAMES, 478, 3), np.float32)
    write_landmarks(made.landmarks, LandmarkTrack(np.arange(FRAMES), points, "mesh", SIZE))
    return made


class ByColour(BiSeNet):
    """Says "cloth" of red pictures and "hair", a little less surely, of green ones."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = torch.full((1, 19, 64, 64), -20.0)
        red = bool(x[:, 0].mean() > x[:, 1].mean())
        logits[:, CLASSES.index("cloth" if red else "hair")] = 2.0 if red else 1.0
        logits[:, 0, :32] = 5.0  # background above
        return logits


def test_the_vote_and_the_plate(folder, monkeypatch):
    path = folder.root.parents[1] / "assets" / "licensed" / "79999_iter.pth"
    path.write_bytes(b"read by nobody here")
    monkeypatch.setattr(network, "read_bisenet", lambda file: ByColour())
    header = parse.run(folder, ParseParams(source="bisenet", samples=3))
    masks = MaskReader(folder.masks)
    assert len(masks) == FRAMES
    assert header["source"] == "bisenet"
    assert header["parts"] == {"parsing": f"BiSeNet 79999_iter.pth {sha256_of(path)}"}
    for k in (0, 5, 6, 7, 11):  # the one green frame is outvoted
        labels = masks[k]
        assert (labels[:28] == Label.BACKGROUND).all()
        assert (labels[36:] == Label.TORSO).all()
    assert read_background(folder.background)[5, 5, 0] > 150
    assert 0.4 < header["background_inpainted_share"] < 0.6
    parse.run(folder, ParseParams(source="bisenet", samples=3, vote=[1.0]))
    assert (MaskReader(folder.masks)[6][36:] == Label.HAIR).all()


def test_the_stage_with_a_file_of_the_published_layout(folder):
    path = folder.root.parents[1] / "assets" / "licensed" / "79999_iter.pth"
    torch.manual_seed(0)
    state = BiSeNet().state_dict()
    state["conv_out.conv_out.weight"].zero_()  # every class is as likely: the first one, background, is taken
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert stage.main("parse", ParseParams, parse.run, ["--subject", "someone", "--profile", "demo"]) == 0
    masks = MaskReader(folder.masks)
    assert len(masks) == FRAMES
    assert not masks[3].any()
    assert masks[3].shape == (SIZE, SIZE)


def test_without_the_file_one_line_says_where_to_get_it(folder, capsys):
    assert stage.main("parse", ParseParams, parse.run, ["--subject", "someone", "--profile", "demo"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("parse: error")]
    assert len(lines) == 1
    assert "licensed/79999_iter.pth is missing" in lines[0]
    assert "github.com/zllrunning" in lines[0]
    assert not folder.masks.exists()
    assert not list(Path(folder.root).glob("*.tmp-*"))


def test_an_unknown_source_is_refused(folder, capsys):
    (folder.root.parents[2] / "params.yaml").write_text("profiles: {demo: {parse: {source: magic}}}\n")
    assert stage.main("parse", ParseParams, parse.run, ["--subject", "someone", "--profile", "demo"]) == 2
    assert "'composed' or 'bisenet'" in capsys.readouterr().err
