"""Lineage: from a video back to its source, code and parameters, and every disagreement named."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks import lineage
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import Consent, Source, SubjectRecord, read_subject, write_subject
from tasks.artifacts.video import VideoWriter
from tasks.artifacts.weights import write_weights
from tasks.code_history import commits_of
from tasks.errors import BadInput
from tasks.provenance import provenance

HEAD = {"name": "open head (stands in for FLAME)", "sha256": "1" * 64}


class Made:
    """A checkout under git with one subject, whose lock and artifacts are of the right form."""

    def __init__(self, root: Path):
        self.root, self.folder = root, SubjectFolder.of("anna", root)
        (root / "tasks").mkdir(parents=True)
        self.git("init", "-q")
        self.folder.root.mkdir(parents=True)
        self.folder.source.write_bytes(b"her video")
        source = Source(name="a.mp4", sha256=sha256(b"her video"), bytes=9)
        consent = Consent(statement="she signed", recorded="2026-03-01T00:00:00+00:00")
        write_subject(self.folder.record, SubjectRecord(id="anna", source=source, consent=consent, profile="demo"))
        self.code("FIRST = 1\n")
        self.train(3)

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout.strip()

    def code(self, text: str) -> None:
        (self.root / "tasks" / "nerf.py").write_text(text)

    def commit(self) -> str:
        self.git("add", "tasks", "data/subjects/anna/dvc.lock")
        self.git("commit", "-qm", "x")
        return self.git("rev-parse", "HEAD")

    def train(self, steps: int) -> None:
        """Write weights that depend on ``steps``, and the lock that DVC would write."""
        for path in (self.folder.adf, self.folder.nerf):
            weights = {"x": torch.full((2,), float(steps))}
            write_weights(path, weights, {"format": path.stem, "head": HEAD, "parts": {"portrait": "DBF-NeRF"}})
        stages: dict[str, Any] = {}
        for stage, path in (("adf", self.folder.adf), ("nerf", self.folder.nerf)):
            name = path.relative_to(self.root).as_posix()
            stages[stage] = {
                "cmd": f"python -m tasks.{stage} --subject anna --profile demo",
                "deps": [entry(self.root, "tasks/nerf.py"), entry(self.root, "data/subjects/anna/source.video")],
                "params": {"params.yaml": {f"profiles.demo.{stage}": {"steps": steps}}},
                "outs": [entry(self.root, name)],
            }
        self.folder.lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))

    def render(self, path: Path) -> Path:
        """A video of two frames with the record that animate gives it."""
        about = provenance(
            read_subject(self.folder.record),
            HEAD,
            {"adf": self.folder.adf, "nerf": self.folder.nerf},
            {"head model": HEAD["name"]},
            driven_by={"audio": "a.wav", "sha256": sha256(b"sound")},
            style={"subject": "anna"},
            code="abc",
        )
        with VideoWriter(path, provenance=about) as video:
            for _ in range(2):
                video.write(np.zeros((64, 64, 3), np.uint8))
        return path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(root: Path, name: str) -> dict[str, Any]:
    data = (root / name).read_bytes()
    return {"path": name, "hash": "md5", "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(), "size": len(data)}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path / "checkout"))
    return Made(tmp_path / "checkout")


def test_a_video_leads_back_to_source_code_parameters_and_parts(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = made.commit()
    (made.root / "other.txt").write_text("a later commit that changes no code")
    made.git("add", "other.txt")
    made.git("commit", "-qm", "y")
    video = made.render(tmp_path / "out.mp4")
    (tmp_path / "a.wav").write_bytes(b"sound")
    assert lineage.main([str(video), "--audio", str(tmp_path / "a.wav"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["agrees"] is True
    assert found["video"]["consent"]["statement"] == "she signed"
    assert found["subject"]["source"]["sha256"] == sha256(b"her video")
    assert found["lock"] == "data/subjects/anna/dvc.lock"
    stages = {stage["name"]: stage for stage in found["stages"]}
    assert stages["nerf"]["params"] == {"profiles.demo.nerf": {"steps": 3}}
    assert (stages["nerf"]["code"]["commit"], stages["nerf"]["code_now"]) == (commit, "same")
    assert found["stand_ins"] == ["head model"]
    checks = {check["what"]: check["verdict"] for check in found["checks"]}
    for what in ("the sound that drives it", "source video", "consent statement", "weights adf", "weights nerf"):
        assert checks[what] == "same"
    assert lineage.main([str(video)]) == 0
    text = capsys.readouterr().out
    for words in ("profiles.demo.nerf", commit, "stands in for FLAME", f"sha256 {sha256(b'sound')}"):
        assert words in text


def test_every_disagreement_is_named(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made.commit()
    video = made.render(tmp_path / "out.mp4")
    made.folder.source.write_bytes(b"a swapped video")
    made.folder.nerf.write_bytes(made.folder.nerf.read_bytes() + b" ")
    record = read_subject(made.folder.record)
    other = Consent(statement="another statement", recorded=record.consent.recorded)
    write_subject(made.folder.record, record.model_copy(update={"consent": other}))
    (tmp_path / "b.wav").write_bytes(b"another sound")
    assert lineage.main([str(video), "--audio", str(tmp_path / "b.wav")]) == 1
    out, complaint = capsys.readouterr()
    for what in ("the sound that drives it", "source video", "consent statement", "weights nerf"):
        assert what in complaint
        assert f"DIFFERS: {what}" in out
    assert "weights adf" not in complaint


def test_a_video_from_before_a_retraining_is_joined_to_the_lock_of_then(made: Made, tmp_path: Path) -> None:
    first = made.commit()
    video = made.render(tmp_path / "out.mp4")
    made.code("SECOND = 2\n")
    made.train(5)
    made.commit()
    made.train(7)
    found = lineage.of_video(made.root, video)
    assert found.lock == "data/subjects/anna/dvc.lock in git's history"
    assert {stage.name: stage.params[f"profiles.demo.{stage.name}"] for stage in found.stages} == {
        "adf": {"steps": 3},
        "nerf": {"steps": 3},
    }
    assert {stage.code["commit"] for stage in found.stages} == {first}
    assert {stage.code_now for stage in found.stages} == {"differs"}
    assert found.disagreements == []
    now = lineage.of_subject(made.root, "anna")
    assert now.stages[0].params == {"profiles.demo.adf": {"steps": 7}}


def test_a_renamed_and_a_re_sourced_subject_are_found(made: Made, tmp_path: Path) -> None:
    video = made.render(tmp_path / "out.mp4")
    made.folder.root.rename(made.folder.root.with_name("annabel"))
    folder = SubjectFolder.of("annabel", made.root)
    record = read_subject(folder.record)
    earlier = {"source": record.source, "consent": record.consent}
    new = Source(name="b.mp4", sha256=sha256(b"longer"), bytes=6)
    consent = Consent(statement="signed again", recorded=record.consent.recorded)
    changes = {"id": "annabel", "formerly": ["anna"], "source": new, "consent": consent}
    data = {**record.model_dump(), **changes, "earlier": [earlier]}
    write_subject(folder.record, SubjectRecord.model_validate(data, from_attributes=True))
    folder.source.write_bytes(b"longer")
    found = lineage.of_video(made.root, video)
    assert found.subject is not None
    assert found.subject["id"] == "annabel"
    (source,) = [check for check in found.checks if check.what == "source video"]
    assert (source.verdict, source.found) == ("not here", "an earlier source of this subject")
    assert found.disagreements == []


def test_code_that_was_never_committed_has_no_commit(made: Made) -> None:
    made.commit()
    made.code("EDITED = 1\n")
    made.train(4)
    (stage, _) = lineage.of_subject(made.root, "anna").stages
    assert (stage.code["commit"], stage.code_now) == (None, "same")
    assert commits_of(made.root.parent, {"nerf": {"tasks/nerf.py": "0" * 32}}) == {"nerf": None}  # no git there


def test_a_video_whose_subject_is_elsewhere_tells_what_it_carries(made: Made, tmp_path: Path) -> None:
    video = made.render(tmp_path / "out.mp4")
    made.folder.record.unlink()
    found = lineage.of_video(made.root, video)
    assert (found.subject, found.lock, found.stages) == (None, "none", [])
    assert found.models["head model"].startswith("open head")


def test_what_carries_no_record_is_refused(made: Made, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "plain.mp4") as video:
        video.write(np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "text.mp4").write_text("no video")
    for target, message in [
        (tmp_path / "plain.mp4", "carries no record of erlnet"),
        (tmp_path / "text.mp4", "not a v"),
    ]:
        with pytest.raises(BadInput, match=message):
            lineage.of_video(made.root, target)
    with pytest.raises(BadInput, match="neither a video file nor a subject"):
        lineage.of_subject(made.root, "nobody")
    assert lineage.main(["no/such.mp4"]) == 2
