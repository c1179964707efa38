"""Registering a subject: all of it, or nothing."""

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from flows import onboarding
from flows.bridge.planner import make_plan
from flows.gates import Quarantined, lift, stopped_at_the_gates
from flows.onboarding import Request, register
from flows.status import subject_states
from flows.tables import status_table
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import read_subject, write_subject
from tasks.errors import BadInput, StageFailed
from tests.flows.toy import Toy


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "Anna at work.mp4"
    path.write_bytes(b"a video")
    return path


def subjects(toy: Toy) -> list[str]:
    """Everything below data/subjects but its .gitignore, hidden leftovers too."""
    return sorted(path.name for path in (toy.root / "data" / "subjects").iterdir() if path.name != ".gitignore")


def git_status(toy: Toy) -> list[str]:
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    return subprocess.run(command, cwd=toy.root, capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_folder_of_a_new_subject(toy: Toy, video: Path) -> None:
    before = git_status(toy)
    assert register(toy.root, Request(video, "anna", "she signed", "lively", "demo")) is True
    folder = SubjectFolder.of("anna", toy.root)
    record = read_subject(folder.record)
    assert (record.id, record.style, record.profile, record.status) == ("anna", "lively", "demo", "active")
    assert (record.source.name, record.source.bytes) == ("Anna at work.mp4", 7)
    assert record.source.sha256 == hashlib.sha256(b"a video").hexdigest()
    assert record.consent.statement == "she signed"
    assert folder.source.read_bytes() == b"a video"
    new = [line.removeprefix("?? data/subjects/anna/") for line in git_status(toy) if line not in before]
    assert new == [".gitignore", "dvc.yaml", "source.video.dvc", "subject.yaml"]
    assert (folder.root / ".gitignore").read_text() == onboarding.GITIGNORE  # DVC found nothing to add
    assert subjects(toy) == ["anna"]


def test_the_same_request_again_changes_nothing(toy: Toy, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(video, "anna", "she signed", "lively", "demo")
    register(toy.root, request)
    root = SubjectFolder.of("anna", toy.root).root
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("nothing is left to be run"))
    assert register(toy.root, request) is False
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_registration_that_was_cut_short_is_completed(toy: Toy, video: Path) -> None:
    request = Request(video, "anna", "she signed", profile="demo")
    register(toy.root, request)
    link = SubjectFolder.of("anna", toy.root).root / "source.video.dvc"
    text = link.read_text()
    link.unlink()
    assert register(toy.root, request) is False
    assert link.read_text() == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subject": "Anna"}, "subject id 'Anna' is not allowed"),
        ({"subject": "../x"}, "is not allowed"),
        ({"consent": "  "}, "consent is empty"),
        ({"style": ""}, "a style label has 1 to 64 characters"),
        ({"profile": "huge"}, "profile 'huge' is not in params.yaml: choose one of demo, cpu"),
        ({"video": Path("/nowhere/x.mp4")}, "video /nowhere/x.mp4 does not exist"),
        ({"video": Path("/")}, "is not a file"),
    ],
)
def test_bad_requests_are_refused_in_one_line(toy: Toy, video: Path, change: dict, message: str) -> None:
    values = {"video": video, "subject": "anna", "consent": "she signed", "profile": "demo", **change}
    with pytest.raises(BadInput, match=message) as caught:
        register(toy.root, Request(**values))
    assert "\n" not in str(caught.value)
    assert subjects(toy) == []


def test_a_video_that_cannot_be_used_leaves_nothing(toy: Toy, video: Path) -> None:
    video.write_bytes(b"bad video")
    with pytest.raises(BadInput, match=r"^no face in the first 100 frames: film one face$"):
        register(toy.root, Request(video, "anna", "she signed", profile="demo"))
    assert subjects(toy) == []


def test_a_check_that_breaks_is_not_the_users_mistake(toy: Toy, video: Path) -> None:
    (toy.root / "tasks" / "check.py").write_text("raise RuntimeError('no decoder')\n")
    with pytest.raises(StageFailed, match="did not finish: RuntimeError: no decoder"):
        register(toy.root, Request(video, "anna", "she signed", profile="demo"))
    assert subjects(toy) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"style": "calm"}, "exists with style 'neutral'"),
        ({"profile": "cpu"}, "exists with profile 'demo'"),
        ({"consent": "another"}, "exists with consent statement 'she signed'"),
    ],
)
def test_an_id_that_exists_with_other_parameters_is_refused(toy: Toy, video: Path, change: dict, message: str) -> None:
    values = {"video": video, "subject": "anna", "consent": "she signed", "profile": "demo"}
    register(toy.root, Request(**values))
    with pytest.raises(BadInput, match=message):
        register(toy.root, Request(**{**values, **change}))


def test_an_id_that_exists_with_another_video_is_refused(toy: Toy, video: Path) -> None:
    register(toy.root, Request(video, "anna", "she signed", profile="demo"))
    video.write_bytes(b"another")
    with pytest.raises(BadInput, match="was made from another video"):
        register(toy.root, Request(video, "anna", "she signed", profile="demo"))
    assert SubjectFolder.of("anna", toy.root).source.read_bytes() == b"a video"


def test_a_full_disk_leaves_nothing(toy: Toy, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "source.video")

    monkeypatch.setattr(onboarding.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        register(toy.root, Request(video, "anna", "she signed", profile="demo"))
    assert subjects(toy) == []


def test_where_dvc_fails_the_folder_is_taken_back(toy: Toy, video: Path) -> None:
    (toy.root / ".dvc" / "config").write_text("[core\n")
    with pytest.raises(StageFailed, match="DVC could not take in"):
        register(toy.root, Request(video, "anna", "she signed", profile="demo"))
    assert subjects(toy) == []


def test_a_video_that_fails_the_gates_is_quarantined_and_nothing_else_is_kept(toy: Toy, video: Path) -> None:
    video.write_bytes(b"short video")
    with pytest.raises(Quarantined) as caught:
        register(toy.root, Request(video, "anna", "she signed", profile="demo"))
    reason = "duration 4.2 s (at least 30 s, refused below 5 s): film more"
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    folder = SubjectFolder.of("anna", toy.root)
    assert sorted(path.name for path in folder.root.iterdir()) == [".gitignore", "report.html", "subject.yaml"]
    record = read_subject(folder.record)
    assert (record.status, record.reasons, record.forced) == ("quarantined", [reason], [])
    assert [gate.verdict for gate in record.gates] == ["fail"]
    assert record.source.sha256 == hashlib.sha256(b"short video").hexdigest()
    assert "film more" in folder.report.read_text()
    plan = make_plan(toy.root)
    assert plan.quarantined == ["anna"]
    assert {stage.unit for stage in plan.stages.values()} <= {""}
    (status,) = subject_states(toy.root, ["anna"])
    assert {stage.state for stage in status.stages.values()} == {"quarantined"}
    assert status.quarantined == [reason]
    assert f"anna is quarantined: {reason}" in status_table([status])


def test_a_better_video_takes_the_place_of_a_quarantined_one(toy: Toy, video: Path) -> None:
    for content in (b"short video", b"short again"):
        video.write_bytes(content)
        with pytest.raises(Quarantined):
            register(toy.root, Request(video, "anna", "she signed", profile="demo"))
    assert read_subject(SubjectFolder.of("anna", toy.root).record).source.bytes == len(b"short again")
    video.write_bytes(b"a long video")
    assert register(toy.root, Request(video, "anna", "she signed", profile="demo")) is True
    record = read_subject(SubjectFolder.of("anna", toy.root).record)
    assert (record.status, record.reasons, record.forced) == ("active", [], [])
    assert [gate.verdict for gate in record.gates] == ["warn"]
    assert not SubjectFolder.of("anna", toy.root).report.exists()
    assert subjects(toy) == ["anna"]


def test_force_goes_on_and_says_so(toy: Toy, video: Path) -> None:
    video.write_bytes(b"short video")
    request = Request(video, "anna", "she signed", profile="demo")
    with pytest.raises(Quarantined):
        register(toy.root, request)
    assert register(toy.root, replace(request, force=True)) is True
    folder = SubjectFolder.of("anna", toy.root)
    record = read_subject(folder.record)
    assert (record.status, record.reasons, record.forced) == ("active", [], ["duration"])
    assert folder.source.read_bytes() == b"short video"
    assert make_plan(toy.root).quarantined == []
    assert register(toy.root, request) is False  # what was forced once need not be forced again to resume


def test_force_changes_nothing_about_a_file_that_cannot_be_used(toy: Toy, video: Path) -> None:
    video.write_bytes(b"bad video")
    with pytest.raises(BadInput, match="no face in the first 100 frames"):
        register(toy.root, Request(video, "anna", "she signed", profile="demo", force=True))
    assert subjects(toy) == []


def test_a_subject_without_a_source_that_is_not_quarantined_is_left_alone(toy: Toy, video: Path) -> None:
    register(toy.root, Request(video, "anna", "she signed", profile="demo"))
    folder = SubjectFolder.of("anna", toy.root)
    write_subject(folder.record, read_subject(folder.record).model_copy(update={"status": "quarantined"}))
    assert not stopped_at_the_gates(folder)
    lift(folder)
    assert folder.source.exists()
