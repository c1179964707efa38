"""The corpus prior's task: whom it learns from, what it refuses, and how a subject starts from it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from spoken_subject import HASTY, sequence, speech
from toy_head import write_toy_head

from tasks.adf import run as train_subject
from tasks.artifacts.adf import read_adf
from tasks.artifacts.corpus import Corpus, CorpusMember, read_corpus, write_corpus
from tasks.artifacts.corpus_prior import read_corpus_prior, write_corpus_prior
from tasks.artifacts.flame import read_flame, write_flame
from tasks.artifacts.head import head_identity
from tasks.artifacts.layout import AssetFolder, PriorFolder, SubjectFolder
from tasks.artifacts.speech import read_speech, write_speech
from tasks.corpus_prior import CorpusPriorParams, main, run
from tasks.errors import BadInput, DamagedArtifact, MissingInput
from tasks.speaker import Speaker
from tasks.split import train_length

FROM_CORPUS = dataclasses.replace(HASTY, prior="corpus")
QUICK = CorpusPriorParams(
    mouth_steps=3, space_steps=3, embedding_steps=3, style_steps=3, pose_steps=3, batch=4, window=48, components=8,
    motion=6, mouth_width=16, width=32, layers=1, speech_components=10,
)  # fmt: skip


@pytest.fixture
def priors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PriorFolder:
    """Subjects a, b, c on the toy head, of which a and b are the corpus."""
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    # The small networks of these tests, in the prior as in the subject.
    monkeypatch.setattr("tasks.corpus_prior.AdfParams", lambda **sizes: dataclasses.replace(HASTY, **sizes))
    head = AssetFolder.default().open_head
    head.parent.mkdir(parents=True)
    write_toy_head(head)
    for seed, name in enumerate("abc"):
        subject = SubjectFolder.of(name)
        subject.root.mkdir(parents=True)
        track = speech(330, seed)
        write_speech(subject.speech, track)
        write_flame(subject.flame, sequence(track, head_identity(head)))
    put("a", "b")
    return PriorFolder.default()


def member(name: str, style: str = "neutral", person: str = "") -> CorpusMember:
    return CorpusMember(id=name, style=style, person=person or name, source_sha256="0" * 64, consent="a test")


def put(*names: str) -> None:
    folder = PriorFolder.default()
    folder.root.mkdir(parents=True, exist_ok=True)
    write_corpus(folder.members, Corpus(members=[member(name) for name in names]))


def test_round_trip_and_facts(priors: PriorFolder) -> None:
    facts = run(priors, QUICK)
    prior, read = read_corpus_prior(priors.weights)
    assert read == json.loads(json.dumps(facts))
    assert [one["id"] for one in read["members"]] == ["a", "b"]
    assert read["members"][0]["style"] == "neutral"
    assert read["members"][0]["consent"] == "a test"
    assert read["members"][0]["seconds"] == train_length(330) / 25
    assert not prior.training
    assert not priors.checkpoints.exists()


def test_a_held_out_part_changes_nothing(priors: PriorFolder) -> None:
    """Everything after a subject's training part may be anything."""
    run(priors, QUICK)
    before = priors.weights.read_bytes()
    folder = SubjectFolder.of("a")
    motion, sound = read_flame(folder.flame), read_speech(folder.speech)
    last = train_length(len(motion))
    rest = (np.arange(330) >= last)[:, None].astype(np.float32)
    motion.expression, motion.jaw_rotation = motion.expression + rest, motion.jaw_rotation + rest
    motion.global_rotation = motion.global_rotation + rest
    sound.features = sound.features.copy()
    sound.features[last:] = 9.0
    write_flame(folder.flame, motion)
    write_speech(folder.speech, sound)
    run(priors, QUICK)
    assert priors.weights.read_bytes() == before
    motion.expression[last - 1] += 0.5
    write_flame(folder.flame, motion)
    run(priors, QUICK)
    assert priors.weights.read_bytes() != before


def test_what_was_finished_is_taken_over(priors: PriorFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run(priors, QUICK)
    whole = priors.weights.read_bytes()
    priors.weights.unlink()
    from models.adf import corpus_training

    real = corpus_training._Job.run

    def cut_short(job: corpus_training._Job) -> dict[str, float]:
        if job.job == "embedding":
            raise KeyboardInterrupt
        return real(job)

    monkeypatch.setattr(corpus_training._Job, "run", cut_short)
    with pytest.raises(KeyboardInterrupt):
        run(priors, QUICK)
    assert not priors.weights.exists()
    assert sorted(path.stem for path in priors.checkpoints.iterdir()) == ["expression", "mouth"]
    done: list[str] = []

    def listen(job: corpus_training._Job) -> dict[str, float]:
        done.append(job.job)
        return real(job)

    monkeypatch.setattr(corpus_training._Job, "run", listen)
    run(priors, QUICK)
    assert done == ["embedding", "pose"]
    assert priors.weights.read_bytes() == whole
    assert not priors.checkpoints.exists()


def test_what_does_not_fit_is_refused_in_one_line(priors: PriorFolder) -> None:
    put("a")
    with pytest.raises(BadInput, match="two people or styles"):
        run(priors, QUICK)
    write_corpus(priors.members, Corpus(members=[member("a", person="p"), member("b", person="p")]))
    with pytest.raises(BadInput, match="one person in one style"):
        run(priors, QUICK)
    put("a", "d")
    with pytest.raises(MissingInput, match="track"):
        run(priors, QUICK)
    put("a", "b")
    folder = SubjectFolder.of("b")
    track, motion = read_speech(folder.speech), read_flame(folder.flame)
    track.encoder = "another"
    write_speech(folder.speech, track)
    with pytest.raises(BadInput, match="one speech encoder"):
        run(priors, QUICK)
    track.encoder = "e"
    write_speech(folder.speech, track)
    motion.head = {"name": "flame2020", "sha256": "1" * 64}
    write_flame(folder.flame, motion)
    with pytest.raises(BadInput, match="one head model"):
        run(priors, QUICK)
    motion.head = head_identity(AssetFolder.default().open_head)
    motion.expression = np.where(np.arange(330)[:, None] % 40 == 0, np.float32(np.nan), motion.expression)
    write_flame(folder.flame, motion)
    with pytest.raises(BadInput, match="b has no 48 usable frames on end"):
        run(priors, QUICK)
    assert not priors.weights.exists()


def test_a_subject_starts_from_it_and_names_it(priors: PriorFolder) -> None:
    run(priors, QUICK)
    prior, _ = read_corpus_prior(priors.weights)
    folder = SubjectFolder.of("c")
    train_subject(folder, FROM_CORPUS)
    trained = read_adf(folder.adf)
    assert trained.network.prior is not None
    assert torch.equal(trained.network.prior.general.net[0].weight, prior.mouth.net[0].weight)
    assert torch.equal(trained.network.expression_basis.analysis, prior.expression_basis.analysis)
    assert trained.parts["prior"].startswith("corpus prior 'corpus', learned from 2 subjects (sha256 ")
    said = Speaker.load(folder.adf).speak(speech(40))
    assert said.parts["motion"] == "ADF of this subject, from a prior"
    assert np.isfinite(said.expression).all()


def test_a_prior_that_does_not_fit_the_subject_is_refused(priors: PriorFolder) -> None:
    folder = SubjectFolder.of("c")
    with pytest.raises(MissingInput, match="erlnet prior"):
        train_subject(folder, FROM_CORPUS)
    facts = run(priors, QUICK)
    with pytest.raises(BadInput, match="another width"):
        train_subject(folder, dataclasses.replace(FROM_CORPUS, width=16))
    prior, _ = read_corpus_prior(priors.weights)
    write_corpus_prior(priors.weights, prior, facts | {"encoder": "another"})
    with pytest.raises(BadInput, match="another"):
        train_subject(folder, FROM_CORPUS)
    write_corpus_prior(priors.weights, prior, facts | {"head": {"name": "h", "sha256": "0"}})
    with pytest.raises(BadInput, match="head model 'h'"):
        train_subject(folder, FROM_CORPUS)


def test_damaged_files_are_named(priors: PriorFolder) -> None:
    facts = run(priors, QUICK)
    prior, _ = read_corpus_prior(priors.weights)
    write_corpus_prior(priors.weights, prior, {"name": "x"})
    with pytest.raises(DamagedArtifact, match="among the facts"):
        read_corpus_prior(priors.weights)
    prior.front.mean[0] = torch.nan
    write_corpus_prior(priors.weights, prior, facts)
    with pytest.raises(DamagedArtifact, match="not finite"):
        read_corpus_prior(priors.weights)
    priors.weights.write_bytes(priors.weights.read_bytes()[:300])
    with pytest.raises(DamagedArtifact):
        read_corpus_prior(priors.weights)
    priors.members.write_text("members: [{id: ../x}]\n")
    with pytest.raises(DamagedArtifact):
        read_corpus(priors.members)


def test_the_command_says_what_is_missing(priors: PriorFolder, capsys: pytest.CaptureFixture[str]) -> None:
    (priors.root.parents[1] / "params.yaml").write_text("profiles: {}\ncorpus_prior: {window: 10000}\n")
    assert main([]) == 2
    assert "corpus_prior: error: subject a has no 10000 usable frames" in capsys.readouterr().err
