"""Re-source: a new video and consent, the old state kept until the new one is done, whatever is killed."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.bridge.planner import Target, make_plan
from flows.subjects import re_source as module
from flows.subjects.freeze import freeze
from flows.subjects.garbage import collect
from flows.subjects.re_source import finish, go_back, re_source
from tasks.artifacts.subject import read_subject
from tasks.errors import BadInput
from tests.flows.toy import PROJECT, Toy


@pytest.fixture
def longer(tmp_path: Path) -> Path:
    path = tmp_path / "longer.mp4"
    path.write_text("a longer video of a")
    return path


def artifacts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def leftovers(toy: Toy) -> list[str]:
    return sorted(path.name for path in (toy.root / "data" / "subjects").glob(".*") if path.is_dir())


def stale(toy: Toy) -> list[str]:
    return [stage.name for stage in make_plan(toy.root, [Target("a")], write=False).stages.values()]


def test_everything_runs_again_and_the_old_state_is_kept_until_then(finished: Toy, longer: Path) -> None:
    before = artifacts(finished.folder("a"))
    old = read_subject(finished.folder("a") / "subject.yaml")
    assert re_source(finished.root, "a", longer, "signed again") is True
    record = read_subject(finished.folder("a") / "subject.yaml")
    assert (record.source.name, record.source.bytes) == ("longer.mp4", 19)
    assert (record.consent.statement, record.earlier[0].consent) == ("signed again", old.consent)
    assert record.earlier[0].source == old.source
    assert stale(finished) == ["crop", "track", "report"]
    assert artifacts(finished.root / "data" / "subjects" / ".previous-a") == before
    assert finish(finished.root, "a") is False
    assert collect(finished.root).unused == {}  # the old state's objects are its locks'
    finished.dvc("repro", "-q", "data/subjects/a/dvc.yaml")
    assert re_source(finished.root, "a", longer, "signed again") is False
    assert finish(finished.root, "a") is True
    assert leftovers(finished) == []
    assert (finished.folder("a") / "report.html").read_bytes() == b"a longer video of acroptrackreport"
    assert stale(finished) == []


def test_the_way_back(finished: Toy, longer: Path, tmp_path: Path) -> None:
    before = artifacts(finished.folder("a"))
    re_source(finished.root, "a", longer, "signed again")
    (finished.folder("a") / "report.html").unlink()
    third = tmp_path / "third.mp4"
    third.write_text("a third video")
    re_source(finished.root, "a", third, "signed a third time")  # on top of one that was never done
    assert [e.source.name for e in read_subject(finished.folder("a") / "subject.yaml").earlier] == [
        "a.mp4",
        "longer.mp4",
    ]
    go_back(finished.root, "a")
    assert artifacts(finished.folder("a")) == before
    assert leftovers(finished) == []
    assert stale(finished) == []
    with pytest.raises(BadInput, match="nothing to go back to"):
        go_back(finished.root, "a")


KILLED = [(where, True) for where in ("link_tree", "copy_hashed", "swap", "rename 1", "add_to_dvc")]
KILLED += [(f"rename {number}", False) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(("where", "exchange"), KILLED)
def test_a_kill_leaves_a_whole_state_and_the_same_command_goes_on(
    finished: Toy, longer: Path, where: str, exchange: bool
) -> None:
    program = (
        "import errno, os, signal\n"
        "from pathlib import Path\n"
        "from flows.subjects import re_source as module\n"
        "def die(*a, **k):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"where, exchange = {where!r}, {exchange}\n"
        "def refuse(*a):\n"
        "    raise OSError(errno.EINVAL, 'no')\n"
        "if not exchange:\n"
        "    module.exchange = refuse\n"
        "if where == 'swap':\n"
        "    module._Places.swap = die\n"
        "elif where.startswith('rename'):\n"
        "    left, rename = [int(where.split()[1])], Path.rename\n"
        "    def counted(self, target):\n"
        "        if '.incoming' in str(self) + str(target):\n"
        "            left[0] -= 1\n"
        "            left[0] or die()\n"
        "        return rename(self, target)\n"
        "    Path.rename = counted\n"
        "else:\n"
        "    assert hasattr(module, where)\n"
        "    setattr(module, where, die)\n"
        f"module.re_source(Path({str(finished.root)!r}), 'a', Path({str(longer)!r}), 'signed again')\n"
    )
    before = artifacts(finished.folder("a"))
    run = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(PROJECT)}, check=False)
    assert run.returncode == -signal.SIGKILL
    if finished.folder("a").exists() and stale(finished) == []:
        assert artifacts(finished.folder("a")) == before
    re_source(finished.root, "a", longer, "signed again")
    assert stale(finished) == ["crop", "track", "report"]
    assert leftovers(finished) == [".previous-a"]
    assert artifacts(finished.root / "data" / "subjects" / ".previous-a") == before
    assert (finished.folder("a") / "source.video").read_bytes() == longer.read_bytes()
    go_back(finished.root, "a")
    assert artifacts(finished.folder("a")) == before


def test_without_the_exchange(finished: Toy, longer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(module, "exchange", refuse)
    before = artifacts(finished.folder("a"))
    re_source(finished.root, "a", longer, "signed again")
    assert leftovers(finished) == [".previous-a"]
    go_back(finished.root, "a")
    assert artifacts(finished.folder("a")) == before


def test_refusals(finished: Toy, longer: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("bad")
    for subject, video, consent, message in [
        ("nobody", longer, "yes", "no subject 'nobody'"),
        ("a", longer, " ", "consent is empty"),
        ("a", tmp_path / "none.mp4", "yes", "does not exist"),
        ("a", tmp_path, "yes", "is not a file"),
        ("a", tmp_path / "bad.mp4", "yes", "no face in the first 100 frames"),
    ]:
        with pytest.raises(BadInput, match=message):
            re_source(finished.root, subject, video, consent)
    freeze(finished.root, "a")
    with pytest.raises(BadInput, match="is frozen"):
        re_source(finished.root, "a", longer, "yes")
    assert leftovers(finished) == []
    assert read_subject(finished.folder("a") / "subject.yaml").earlier == []
