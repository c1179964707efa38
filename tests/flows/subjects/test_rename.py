"""Rename: nothing is computed again, nothing is lost by a kill, and DVC agrees."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows.bridge.planner import Target, make_plan
from flows.status import subject_states
from flows.subjects.rename import rename
from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import read_subject
from tasks.errors import BadInput
from tests.flows.toy import PROJECT, Toy


def artifacts(folder: Path) -> dict[str, bytes]:
    texts = ("subject.yaml", "dvc.yaml", "dvc.lock")
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in texts}


def check_renamed(toy: Toy, before: dict[str, bytes]) -> None:
    assert artifacts(toy.folder("anna")) == before
    record = read_subject(toy.folder("anna") / "subject.yaml")
    assert (record.id, record.formerly) == ("anna", ["a"])
    assert sorted(path.name for path in (toy.root / "data" / "subjects").iterdir()) == [".gitignore", "anna", "b"]
    assert make_plan(toy.root).stages == {}
    assert toy.started() == []
    assert "subjects/a/" not in (toy.folder("anna") / "dvc.lock").read_text()


def test_nothing_is_computed_again(finished: Toy) -> None:
    before = artifacts(finished.folder("a"))
    assert rename(finished.root, "a", "anna") is True
    check_renamed(finished, before)
    assert "up to date" in finished.dvc("repro", "--all-pipelines")
    assert rename(finished.root, "a", "anna") is False  # the same command again
    # It goes on like any subject.
    (finished.folder("anna") / "report.html").unlink()
    (finished.folder("anna") / "source.video").unlink()
    finished.dvc("checkout", "-q")
    assert artifacts(finished.folder("anna")) == before
    rename(finished.root, "anna", "a")
    assert read_subject(finished.folder("a") / "subject.yaml").formerly == ["a", "anna"]
    assert make_plan(finished.root).stages == {}


def test_what_was_stale_stays_stale(finished: Toy) -> None:
    path = finished.folder("a") / "subject.yaml"
    path.write_text(path.read_text().replace("a test", "another statement"))
    code = finished.root / "tasks" / "track.py"
    code.write_text(code.read_text() + "\nFACT = 1\n")
    assert [s.name for s in make_plan(finished.root, [Target("a")], False).stages.values()] == ["track", "report"]
    rename(finished.root, "a", "anna")
    plan = make_plan(finished.root, [Target("anna")], write=False)
    assert [(stage.name, plan.reasons[address]) for address, stage in plan.stages.items()] == [
        ("track", ["tasks/track.py modified"]),
        ("report", ["data/subjects/anna/subject.yaml modified"]),
    ]


KILLED_AT = ["link_tree", "write_subject", "_write_lock", "_drop", "rmtree", "nothing"]


@pytest.mark.parametrize("where", KILLED_AT)
def test_a_kill_leaves_one_or_two_whole_subjects_and_the_same_command_ends_it(finished: Toy, where: str) -> None:
    before = artifacts(finished.folder("a"))
    program = (
        "import os, shutil, signal, sys\n"
        "from pathlib import Path\n"
        "from flows.subjects import rename as module\n"
        "def die(*a, **k):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"where = {where!r}\n"
        "if where == 'rmtree':\n"
        "    shutil.rmtree = die\n"
        "elif where != 'nothing':\n"
        "    assert hasattr(module, where)\n"
        "    setattr(module, where, die)\n"
        f"module.rename(Path({str(finished.root)!r}), 'a', 'anna')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    result = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert result.returncode == (0 if where == "nothing" else -signal.SIGKILL)
    states = subject_states(finished.root, [p.name for p in (finished.root / "data" / "subjects").glob("[a-z]*")])
    assert states
    for state in states:
        assert {stage.state for stage in state.stages.values()} == {"done"}
    rename(finished.root, "a", "anna")
    check_renamed(finished, before)


def test_refusals(finished: Toy) -> None:
    for old, new, message in [
        ("a", "b", "subject 'b' exists"),
        ("a", "a", "has this id"),
        ("nobody", "c", "no subject 'nobody'"),
        ("a", "../c", "is not allowed"),
    ]:
        with pytest.raises(BadInput, match=message):
            rename(finished.root, old, new)
    record = run_record.begin(SubjectFolder.of("a", finished.root).runs, "crop")
    with pytest.raises(BadInput, match="stage crop of subject 'a' is running"):
        rename(finished.root, "a", "c")
    run_record.finish(SubjectFolder.of("a", finished.root).runs, record, "done")
    # The old id is given to somebody else: asked again, the rename must not take that one away.
    rename(finished.root, "a", "c")
    finished.onboard("a", "another video")
    with pytest.raises(BadInput, match="is another subject now"):
        rename(finished.root, "a", "c")
    assert (finished.folder("a") / "source.video").read_text() == "another video"


def test_without_hard_links_files_are_copied(finished: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    before = artifacts(finished.folder("a"))
    monkeypatch.setattr(os, "link", refuse)
    rename(finished.root, "a", "anna")
    check_renamed(finished, before)


def test_the_lock_keeps_its_order(finished: Toy) -> None:
    names = list(yaml.safe_load((finished.folder("a") / "dvc.lock").read_text())["stages"])
    rename(finished.root, "a", "anna")
    assert list(yaml.safe_load((finished.folder("anna") / "dvc.lock").read_text())["stages"]) == names
