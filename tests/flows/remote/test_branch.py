"""The shared branch: what travels, what is kept, what two machines may do at once."""

import threading
from pathlib import Path

import pytest

from flows.remote.branch import TIP, Branch
from tasks.errors import BadInput, StageFailed
from tests.flows.machines import git
from tests.flows.toy import Toy


def branch(toy: Toy) -> Branch:
    return Branch(toy.root, "origin", "fleet")


def write(toy: Toy, path: str, text: str) -> Path:
    file = toy.root / "data" / "subjects" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def lock(**stages: str) -> str:
    body = "".join(f"  {name}:\n    cmd: {command}\n" for name, command in stages.items())
    return f"schema: '2.0'\nstages:\n{body}"


def test_a_subject_travels_and_nothing_else_of_the_checkout_moves(clones: tuple[Toy, Toy]) -> None:
    one, two = clones
    head = git(one.root, "rev-parse", "HEAD")
    write(one, "anna/subject.yaml", "id: anna\n")
    write(one, "anna/.gitignore", "/video.mp4\n")
    write(one, "anna/video.mp4", "frames")
    write(one, "ben/subject.yaml", "id: ben\n")
    (one.root / "params.yaml").write_text("changed: here\n")
    assert branch(two).receive() == []
    branch(one).send("anna", "anna: registered")
    assert branch(two).receive() == ["anna"]
    assert (two.folder("anna") / "subject.yaml").read_text() == "id: anna\n"
    assert not (two.folder("anna") / "video.mp4").exists()
    assert not two.folder("ben").exists()
    assert branch(two).receive() == []
    assert git(one.root, "rev-parse", "HEAD") == head
    status = git(one.root, "status", "--porcelain").split()
    assert status == ["M", "params.yaml", "??", "data/subjects/anna/", "??", "data/subjects/ben/"]
    assert git(one.root, "log", "--format=%s", "-1", TIP) == "anna: registered"
    assert git(one.root, "diff", "--stat", TIP, "HEAD", "--", "params.yaml") == ""


def test_sending_what_is_there_already_makes_no_commit(clones: tuple[Toy, Toy]) -> None:
    one, _ = clones
    write(one, "anna/subject.yaml", "id: anna\n")
    branch(one).send("anna", "first")
    branch(one).send("anna", "second")
    assert git(one.root, "log", "--format=%s", TIP).splitlines() == ["first", "a toy"]


def test_what_is_unsent_is_known(clones: tuple[Toy, Toy]) -> None:
    one, two = clones
    assert branch(one).unsent() == []
    write(one, "anna/subject.yaml", "id: anna\n")
    write(one, "ben/subject.yaml", "id: ben\n")
    assert branch(one).unsent() == ["anna", "ben"]
    branch(one).send("anna", "anna")
    assert branch(one).unsent() == ["ben"]
    branch(two).receive()
    assert branch(two).unsent() == []
    (two.folder("anna") / "subject.yaml").unlink()
    assert branch(two).unsent() == ["anna"]


def test_stages_of_both_machines_come_together_in_the_lock(clones: tuple[Toy, Toy]) -> None:
    one, two = clones
    write(one, "anna/dvc.lock", lock(crop="a"))
    branch(one).send("anna", "crop")
    branch(two).receive()
    write(one, "anna/dvc.lock", lock(crop="a", track="one"))
    write(two, "anna/dvc.lock", lock(crop="a", speech="two"))
    branch(one).send("anna", "track")
    branch(two).send("anna", "speech")
    branch(one).receive()
    merged = (one.folder("anna") / "dvc.lock").read_text()
    assert merged == lock(crop="a", track="one", speech="two")
    assert (two.folder("anna") / "dvc.lock").read_text() == merged


def test_a_file_changed_here_alone_is_kept_and_theirs_wins_where_both_changed(clones: tuple[Toy, Toy]) -> None:
    one, two = clones
    for name in ("a.json", "b.json", "c.json"):
        write(one, f"anna/{name}", "old")
    branch(one).send("anna", "old")
    branch(two).receive()
    write(two, "anna/a.json", "two")
    write(two, "anna/b.json", "two")
    write(one, "anna/b.json", "one")
    (one.folder("anna") / "c.json").unlink()
    branch(one).send("anna", "one")
    branch(two).receive()
    files = {path.name: path.read_text() for path in two.folder("anna").iterdir()}
    assert files == {"a.json": "two", "b.json": "one"}


def test_a_record_edited_on_both_sides_needs_a_person(clones: tuple[Toy, Toy]) -> None:
    one, two = clones
    write(one, "anna/subject.yaml", "style: neutral\n")
    branch(one).send("anna", "new")
    branch(two).receive()
    write(one, "anna/subject.yaml", "style: calm\n")
    write(two, "anna/subject.yaml", "style: lively\n")
    branch(one).send("anna", "calm")
    with pytest.raises(BadInput, match=r"data/subjects/anna/subject.yaml was changed here and on another machine"):
        branch(two).receive()
    assert (two.folder("anna") / "subject.yaml").read_text() == "style: lively\n"
    write(two, "anna/subject.yaml", "style: calm\n")
    branch(two).receive()


def test_a_subject_removed_elsewhere_goes_with_its_artifacts(clones: tuple[Toy, Toy]) -> None:
    one, two = clones
    write(one, "anna/subject.yaml", "id: anna\n")
    write(one, "anna/.gitignore", "/video.mp4\n")
    branch(one).send("anna", "new")
    branch(two).receive()
    write(two, "anna/video.mp4", "frames")
    for path in one.folder("anna").iterdir():
        path.unlink()
    one.folder("anna").rmdir()
    branch(one).send("anna", "removed")
    assert branch(two).receive() == ["anna"]
    assert not two.folder("anna").exists()


def test_both_machines_send_at_once_and_nothing_is_lost(clones: tuple[Toy, Toy]) -> None:
    errors: list[Exception] = []

    def work(toy: Toy, name: str) -> None:
        try:
            for number in range(4):
                write(toy, f"{name}{number}/subject.yaml", f"id: {name}{number}\n")
                branch(toy).send(f"{name}{number}", f"{name}{number}")
        except Exception as error:
            errors.append(error)

    work_of = zip(clones * 2, "abcd", strict=True)
    threads = [threading.Thread(target=work, args=arguments) for arguments in work_of]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for toy in clones:
        branch(toy).receive()
        folders = sorted(path.name for path in (toy.root / "data" / "subjects").iterdir() if path.is_dir())
        assert folders == [f"{name}{number}" for name in "abcd" for number in range(4)]
        assert branch(toy).unsent() == []


def test_an_origin_that_is_gone_is_named(clones: tuple[Toy, Toy]) -> None:
    one, _ = clones
    git(one.root, "remote", "set-url", "origin", str(one.root / "nowhere"))
    write(one, "anna/subject.yaml", "id: anna\n")
    with pytest.raises(StageFailed, match=r"git could not fetch branch 'fleet' of 'origin': "):
        branch(one).send("anna", "anna")
    assert branch(one).unsent() == ["anna"]
