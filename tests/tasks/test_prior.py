"""The embedded prior: its file, its parameters, and how a subject starts from it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from spoken_subject import CHANNELS, HASTY, sequence, speech
from toy_head import NAMES, write_toy_head

from models.adf.config import PriorConfig
from models.adf.prior import MouthPrior
from models.visemes.articulation import Articulation
from tasks.adf import run
from tasks.artifacts.adf import read_adf
from tasks.artifacts.flame import write_flame
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.metrics import read_metrics
from tasks.artifacts.prior import read_prior, write_prior
from tasks.artifacts.speech import write_speech
from tasks.errors import BadInput, DamagedArtifact, MissingInput, StageFailed
from tasks.prior import MAX_SHUT, PART, THRESHOLDS, PriorParams, fit, set_threshold
from tasks.prior import run as build
from tasks.speaker import Speaker
from tasks.teaching.teacher import Lesson

WITH_PRIOR = dataclasses.replace(HASTY, prior="embedded")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SubjectFolder:
    """A subject on the toy head in a repository of its own."""
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    head = AssetFolder.default().open_head
    head.parent.mkdir(parents=True)
    write_toy_head(head)
    subject = SubjectFolder.of("someone")
    subject.root.mkdir(parents=True)
    track = speech(300)
    write_speech(subject.speech, track)
    write_flame(subject.flame, sequence(track, head_identity(head)))
    return subject


def put_prior(encoder: str = "e", **head: str) -> MouthPrior:
    """An untrained prior that fits the toy subject, as the asset."""
    torch.manual_seed(0)
    prior = MouthPrior(PriorConfig(CHANNELS, 8, len(NAMES) + 9, 6, 16)).eval()
    prior.front.fit(torch.randn(50, CHANNELS), torch.randn(50))
    prior.basis.fit(torch.randn(50, len(NAMES) + 9), torch.eye(len(NAMES) + 9))
    assets = AssetFolder.default()
    write_prior(
        assets.adf_prior, prior, {"part": PART, "encoder": encoder, "head": head_identity(assets.open_head) | head}
    )
    return prior


def test_round_trip(folder: SubjectFolder) -> None:
    prior = put_prior()
    again, facts = read_prior(AssetFolder.default().adf_prior)
    features, energy = torch.randn(30, CHANNELS), torch.randn(30)
    assert torch.equal(again(features, energy), prior(features, energy))
    assert facts["part"] == PART
    assert AssetFolder.default().adf_prior.stat().st_size < 10e6


def test_damaged_files_are_named(folder: SubjectFolder) -> None:
    path = AssetFolder.default().adf_prior
    with pytest.raises(MissingInput, match=r"python -m tasks\.prior"):
        read_prior(path)
    prior = put_prior()
    write_prior(path, prior, {"part": PART})
    with pytest.raises(DamagedArtifact, match="encoder"):
        read_prior(path)
    prior.net[0].bias.data[0] = torch.nan
    write_prior(path, prior, {"part": PART, "encoder": "e", "head": {}})
    with pytest.raises(DamagedArtifact, match="not finite"):
        read_prior(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DamagedArtifact):
        read_prior(path)


def test_a_subject_starts_from_it_and_says_so(folder: SubjectFolder) -> None:
    prior = put_prior()
    run(folder, WITH_PRIOR)
    trained = read_adf(folder.adf)
    assert trained.network.prior is not None
    features = torch.randn(20, CHANNELS)
    energy = torch.randn(20)
    assert torch.equal(trained.network.prior.general(features, energy), prior(features, energy))
    assert trained.parts["prior"] == PART
    said = Speaker.load(folder.adf).speak(speech(40))
    assert said.parts["motion"] == "ADF of this subject, from a prior"
    assert np.isfinite(said.expression).all()
    assert "prior_gain" in read_metrics(folder.adf_metrics, "x")["training"]


def test_none_needs_no_prior(folder: SubjectFolder) -> None:
    run(folder, HASTY)
    trained = read_adf(folder.adf)
    assert trained.network.prior is None
    assert "prior" not in trained.parts


def test_a_prior_of_another_encoder_or_head_is_refused(folder: SubjectFolder) -> None:
    with pytest.raises(MissingInput, match="adf_prior"):
        run(folder, WITH_PRIOR)
    put_prior(encoder="another")
    with pytest.raises(BadInput, match="another"):
        run(folder, WITH_PRIOR)
    put_prior(sha256="0" * 64)
    with pytest.raises(BadInput, match="head model"):
        run(folder, WITH_PRIOR)


def test_a_head_without_named_actions_cannot_be_taught(folder: SubjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.teaching.teacher.encode", lambda samples, frames, fps, encoder_file: speech(frames))
    with pytest.raises(StageFailed, match="open head"):
        build(AssetFolder.default().adf_prior, PriorParams(sentences=1, steps=1))


def test_fit_repeats(folder: SubjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same runs and parameters give the same weights."""
    monkeypatch.setattr("tasks.prior.lip_closure", lambda head, branch: (branch[:, 0] > 0.3).float())
    from tasks.adf import training_runs

    track = speech(300)
    runs = training_runs(sequence(track, {"name": "t", "sha256": "x"}), track, 0, 300)
    params = PriorParams(steps=3, batch=2, components=8, motion=6, width=8)
    head = read_head(AssetFolder.default().open_head)
    (first, losses), (second, _) = (fit(head, runs, CHANNELS, params) for _ in range(2))
    assert len(losses) == 3
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])


@pytest.mark.parametrize(
    ("always", "slope", "expected"), [(0.0, 0.018, -2.0), (0.0, 0.0, THRESHOLDS[-1]), (0.1, 0.0, THRESHOLDS[0])]
)
def test_the_threshold_is_the_lowest_that_shuts_no_free_lips(
    folder: SubjectFolder, monkeypatch: pytest.MonkeyPatch, always: float, slope: float, expected: float
) -> None:
    """Lips shut for nothing at always - slope * threshold of the frames: the last value within MAX_SHUT is taken."""
    prior = put_prior()

    def articulate(prior: MouthPrior, *_: object) -> Articulation:
        return Articulation(0.9, 0.9, always - slope * float(prior.threshold), 10, 10)

    monkeypatch.setattr("tasks.prior.to_run", lambda head, taught: None)
    monkeypatch.setattr("tasks.prior.articulate", articulate)
    set_threshold(prior, read_head(AssetFolder.default().open_head), [Lesson("v", np.zeros(1), [])])
    assert float(prior.threshold) == expected
    assert slope * 2.0 <= MAX_SHUT < slope * 2.5 or slope == 0
