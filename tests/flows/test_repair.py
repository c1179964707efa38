"""What a kill leaves of DVC's files, and what must not be taken for that."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.bridge.graph import SHARED
from flows.bridge.repair import _torn, release_dead_locks, remove_damaged, remove_torn_locks
from tests.flows.toy import Toy

LOCK = """\
schema: '2.0'
stages:
  crop:
    cmd: python -m tasks.crop
    deps:
    - path: data/subjects/a/source.video
      hash: md5
      md5: 919c8b643b7133116b02fc0d9bb7df3f
      size: 8
    outs:
    - path: data/subjects/a/video.mp4
      hash: md5
      md5: 0cc175b9c0f1b6a831c399e269772661
      size: 1
"""


def table(root: Path, write: dict[str, object], read: dict[str, object] | None = None) -> Path:
    path = root / ".dvc" / "tmp" / "rwlock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"write": write, "read": read or {}}))
    return path


def test_locks_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    code = "import sys, time; print('up', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, "repro", "--single-item", "x:crop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        living = {"pid": process.pid, "cmd": "/somewhere/dvc/__main__.py repro --single-item x:crop"}
        stranger = {"pid": process.pid, "cmd": "/somewhere/dvc/__main__.py repro --single-item y:crop"}
        gone = {"pid": 2**22 + 1, "cmd": "dvc repro"}
        path = table(tmp_path, {"/x": living, "/y": stranger}, {"/v": [living, gone], "/w": [gone]})
        assert release_dead_locks(tmp_path)
        assert json.loads(path.read_text()) == {"write": {"/x": living}, "read": {"/v": [living]}}
        assert not release_dead_locks(tmp_path)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not collected yet
        assert release_dead_locks(tmp_path)
        assert json.loads(path.read_text()) == {"write": {}, "read": {}}


@pytest.mark.parametrize("text", ['{"write": {"/x": {"pi', "", "[]", '{"write": {"/x": 7}, "read": {}}'])
def test_a_torn_table_is_begun_anew(tmp_path: Path, text: str) -> None:
    path = table(tmp_path, {})
    path.write_text(text)
    assert release_dead_locks(tmp_path)
    assert json.loads(path.read_text()) == {"write": {}, "read": {}}


def test_no_table_is_no_trouble(tmp_path: Path) -> None:
    assert not release_dead_locks(tmp_path)


def test_every_torn_lock_is_found_and_no_whole_one(toy: Toy) -> None:
    folder = toy.folder("a")
    folder.mkdir()
    lock = folder / "dvc.lock"
    assert remove_torn_locks(toy.root, ["a", SHARED]) == []
    for text in (LOCK, ""):
        lock.write_text(text)
        assert remove_torn_locks(toy.root, ["a"]) == []
        assert lock.read_text() == text
    # Half a line is noticed wherever it ends, and so is a list of outputs that stops before a checksum.
    before_checksum = LOCK.index("      md5: 0cc")
    for length in range(1, len(LOCK)):
        lock.write_text(LOCK[:length])
        if not LOCK[:length].endswith("\n") or length == before_checksum:
            assert _torn(lock), LOCK[:length]
    assert remove_torn_locks(toy.root, ["a"]) == ["a"]
    assert not lock.exists()


def test_what_comes_damaged_out_of_the_cache_is_removed_from_it(toy: Toy) -> None:
    folder = toy.folder("a")
    folder.mkdir()
    (folder / "dvc.lock").write_text(LOCK)
    made = folder / "video.mp4"
    cached = toy.root / ".dvc" / "cache" / "files" / "md5" / "0c" / "c175b9c0f1b6a831c399e269772661"
    cached.parent.mkdir(parents=True)
    for content, removed in (("a", []), ("b", ["data/subjects/a/video.mp4"])):
        made.write_text(content)
        cached.write_text(content)
        assert remove_damaged(toy.root, "a", "crop") == removed
        assert made.exists() is cached.exists() is (content == "a")
