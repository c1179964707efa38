"""Quarantine as Prefect and the command show it."""

import asyncio
import json
from pathlib import Path

import pytest

from flows.cli import app, run
from flows.onboard import onboard
from flows.outcome import QUARANTINED, raise_unless_completed
from flows.refresh import refresh
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import read_subject
from tasks.errors import BadInput
from tests.flows.toy import Toy


def table(key: str) -> list[dict[str, str]]:
    """The rows of the latest artifact of that key."""
    from prefect.artifacts import Artifact

    artifact = asyncio.run(Artifact.aget(key))
    assert artifact is not None
    return json.loads(artifact.data)


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "anna.mp4"
    path.write_bytes(b"short video")
    return path


@pytest.mark.usefixtures("prefect_server")
def test_a_flow_ends_quarantined_and_shows_every_gate(toy: Toy, short: Path) -> None:
    request = {"video": short, "subject": "anna_b", "consent": "she signed", "profile": "demo"}
    state = onboard(**request, return_state=True)
    assert state.name == QUARANTINED
    assert "duration 4.2 s" in state.message
    (row,) = table("gates-anna-b")
    assert (row["gate"], row["verdict"], row["advice"]) == ("duration", "fail", "film more")
    with pytest.raises(BadInput, match="is quarantined as 'anna_b' for 1 reason"):
        raise_unless_completed(state)
    assert toy.started() == []

    assert onboard(**request, force=True, return_state=True).is_completed()
    assert toy.started() == ["anna_b:crop", "anna_b:track", "anna_b:report"]
    assert read_subject(SubjectFolder.of("anna_b", toy.root).record).forced == ["duration"]


@pytest.mark.usefixtures("prefect_server")
def test_a_quarantined_video_of_the_inbox_does_not_fail_the_refresh(toy: Toy, short: Path) -> None:
    inbox = toy.root / "data" / "inbox"
    inbox.mkdir(exist_ok=True)
    short.rename(inbox / "anna.mp4")
    (inbox / "anna.yaml").write_text("{id: anna, consent: she signed, profile: demo}")
    assert refresh(quiet=0.0, return_state=True).is_completed()
    assert table("gates-anna")[0]["verdict"] == "fail"
    assert (inbox / "quarantine" / "anna.mp4").exists()
    assert toy.started() == []


def test_the_command_shows_the_gates_and_changes_nothing(
    toy: Toy, short: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lambda: app(["check", str(short), "--json"], standalone_mode=False)) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["verdict"] == "fail"
    assert json.loads(captured.out)["treatments"] == []
    assert captured.err.count("\n") == 1
    short.write_bytes(b"a long video, HDR")
    assert run(lambda: app(["check", str(short)], standalone_mode=False)) == 0
    printed = capsys.readouterr().out
    assert "film more" in printed
    assert "will be treated: HDR tone-mapped" in printed
    assert run(lambda: app(["check", "/nowhere.mp4"], standalone_mode=False)) == 2
    assert list((toy.root / "data" / "subjects").glob("[a-z]*")) == []
