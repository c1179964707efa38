"""The inbox: what is taken in, what waits, what is rejected."""

import os
import time
from pathlib import Path

import pytest
import yaml

from flows.fleet import open_fleet
from flows.inbox import folder
from flows.inbox.taking import Taken, take_in
from tasks.artifacts.subject import read_subject
from tests.flows.toy import Toy


def put(toy: Toy, name: str, content: bytes = b"a video", age: float = 100.0, **ticket: object) -> Path:
    folder = toy.root / "data" / "inbox"
    folder.mkdir(exist_ok=True)
    video = folder / f"{name}.mp4"
    video.write_bytes(content)
    paths = [video]
    if ticket:
        paths.append(folder / f"{name}.yaml")
        paths[1].write_text(yaml.safe_dump(ticket))
    for path in paths:
        os.utime(path, (time.time() - age,) * 2)
    return video


def take(toy: Toy) -> Taken:
    with open_fleet(toy.root) as fleet:
        return take_in(fleet)


def names(toy: Toy) -> list[str]:
    folder = toy.root / "data" / "inbox"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_whole_video_with_its_ticket_becomes_a_subject_and_leaves(toy: Toy) -> None:
    put(toy, "take 1 [a]", id="anna", consent="she signed", profile="demo")
    taken = take(toy)
    assert taken.subjects == ["anna"]
    assert not taken.rejected
    assert (toy.folder("anna") / "source.video").read_bytes() == b"a video"
    assert names(toy) == []


def test_what_is_not_whole_waits(toy: Toy) -> None:
    put(toy, "fresh", age=0, id="anna", consent="she signed", profile="demo")
    put(toy, "alone")
    (toy.root / "data" / "inbox" / "ticket.yaml").write_text("id: b\n")
    before = names(toy)
    taken = take(toy)
    assert (taken.subjects, taken.rejected) == ([], {})
    assert names(toy) == before


def test_a_file_that_grows_between_two_looks_waits(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    video = put(toy, "anna", id="anna", consent="she signed", profile="demo")

    def grow(_: float) -> None:
        with video.open("ab") as file:
            file.write(b"more")
        os.utime(video, (time.time() - 100,) * 2)  # copying tools that keep times set them before the end

    monkeypatch.setattr(folder.time, "sleep", grow)
    assert take(toy).subjects == []
    assert "anna.mp4" in names(toy)


@pytest.mark.parametrize(
    ("content", "ticket", "reason"),
    [
        (b"bad", {"id": "anna", "consent": "she signed", "profile": "demo"}, "no face in the first 100 frames"),
        (b"fine", {"id": "Anna!", "consent": "she signed", "profile": "demo"}, "subject id 'Anna!' is not allowed"),
        (b"fine", {"id": "anna", "profile": "demo"}, "anna.yaml: consent: Field required"),
        (b"fine", {"id": "anna", "consent": "x", "profil": "demo"}, "anna.yaml: profil: Extra inputs"),
    ],
)
def test_what_cannot_be_used_is_moved_aside_with_the_reason(
    toy: Toy, content: bytes, ticket: dict, reason: str
) -> None:
    put(toy, "anna", content, **ticket)
    put(toy, "ben", id="ben", consent="he signed", profile="demo")
    taken = take(toy)
    assert taken.subjects == ["ben"]
    assert reason in taken.rejected["anna.mp4"]
    assert names(toy) == ["rejected/anna.mp4", "rejected/anna.reason.txt", "rejected/anna.yaml"]
    assert reason in (toy.root / "data" / "inbox" / "rejected" / "anna.reason.txt").read_text()
    assert not toy.folder("anna").exists()


def test_a_second_rejected_video_of_a_name_does_not_replace_the_first(toy: Toy) -> None:
    for content in (b"bad 1", b"bad 2"):
        put(toy, "anna", content, id="anna", consent="she signed", profile="demo")
        take(toy)
    rejected = toy.root / "data" / "inbox" / "rejected"
    assert (rejected / "anna.mp4").read_bytes() == b"bad 1"
    assert (rejected / "anna-2.mp4").read_bytes() == b"bad 2"


def test_what_fails_the_gates_goes_to_quarantine_with_its_reasons_and_can_be_forced(toy: Toy) -> None:
    put(toy, "anna", b"short", id="anna", consent="she signed", profile="demo")
    put(toy, "ben", id="ben", consent="he signed", profile="demo")
    taken = take(toy)
    assert taken.subjects == ["ben"]
    assert taken.rejected == {}
    assert taken.quarantined["anna.mp4"].id == "anna"
    assert names(toy) == ["quarantine/anna.mp4", "quarantine/anna.reason.txt", "quarantine/anna.yaml"]
    aside = toy.root / "data" / "inbox" / "quarantine"
    assert "duration 4.2 s" in (aside / "anna.reason.txt").read_text()
    assert read_subject(toy.folder("anna") / "subject.yaml").status == "quarantined"
    assert not (toy.folder("anna") / "source.video").exists()

    ticket = yaml.safe_load((aside / "anna.yaml").read_text())
    put(toy, "anna", (aside / "anna.mp4").read_bytes(), **ticket, force=True)
    assert take(toy).subjects == ["anna"]
    assert read_subject(toy.folder("anna") / "subject.yaml").forced == ["duration"]
