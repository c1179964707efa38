"""What a killed registration left is removed by the next run, and nothing that is being made."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.bridge.planner import make_plan
from flows.half_made import in_the_making, remove_left
from tests.flows.toy import PROJECT, Toy

MAKE = """
import sys, time
from pathlib import Path
from flows.half_made import in_the_making
with in_the_making(Path(sys.argv[1])) as folder:
    (folder / "source.video").write_bytes(b"half a video")
    print("making", flush=True)
    time.sleep(60)
"""


def age(folder: Path) -> None:
    then = time.time() - 3600
    os.utime(folder, (then, then))


def test_only_what_a_dead_process_was_making_is_removed(toy: Toy) -> None:
    subjects = toy.root / "data" / "subjects"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    maker = subprocess.Popen([sys.executable, "-c", MAKE, str(subjects)], stdout=subprocess.PIPE, env=environment)
    assert maker.stdout is not None
    assert maker.stdout.readline() == b"making\n"
    (left,) = subjects.glob(".incoming-*")
    other = subjects / ".incoming-rename-anna"
    other.mkdir()
    for folder in (left, other):
        age(folder)
    assert remove_left(subjects) == []  # it lives
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    maker.stdout.close()
    make_plan(toy.root, [], write=False)
    assert left.exists()  # looking changes nothing
    make_plan(toy.root, [])
    assert not left.exists()
    assert other.exists()


def test_what_was_made_a_moment_ago_is_left_alone(tmp_path: Path) -> None:
    young = tmp_path / ".incoming-0123abcd"
    young.mkdir()
    assert remove_left(tmp_path) == []
    age(young)
    assert remove_left(tmp_path) == [young]


def test_a_folder_that_was_not_renamed_is_gone_with_the_body(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), in_the_making(tmp_path) as folder:
        (folder / "file").touch()
        age(folder)
        assert remove_left(tmp_path) == []
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with in_the_making(tmp_path) as folder:
        folder.rename(tmp_path / "anna")
    assert [path.name for path in tmp_path.iterdir()] == ["anna"]
