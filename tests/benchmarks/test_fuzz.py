"""A small share of the fuzz benchmark: damaged files end in one line and exit 2, or were still a usable video."""

import itertools
import json
import subprocess
import sys

import pytest

from benchmarks.fuzz import table
from benchmarks.fuzzing import damage
from benchmarks.fuzzing.trial import Outcome, judge
from tasks.artifacts.layout import SubjectFolder

KINDS = ("truncated", "500 bytes flipped", "index flipped", "block of noise", "wrong extension")


@pytest.fixture(scope="module")
def goods(sample_clip, tmp_path_factory):
    return damage.bases(sample_clip, tmp_path_factory.mktemp("goods"), ("mp4", "mkv"))


def outcomes(files, scratch) -> dict[str, Outcome]:
    """Every file's outcome, from a process that has run no detector yet: it forks."""
    files = list(files)
    command = [sys.executable, "-m", "benchmarks.fuzzing.trial", str(scratch), *(str(path) for _, path in files)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    made = [Outcome(**json.loads(line)) for line in result.stdout.splitlines()]
    found = {f"{kind}: {path.name}": outcome for (kind, path), outcome in zip(files, made, strict=True)}
    wrong = {name: outcome.verdict for name, outcome in found.items() if outcome.verdict.startswith("wrong")}
    assert wrong == {}
    return found


def test_hurt_files_are_refused_or_still_usable(goods, tmp_path):
    files = [(kind, path) for kind, path in damage.hurt(goods, tmp_path, 3, 1) if kind in KINDS]
    found = outcomes(files, tmp_path / "scratch")
    assert len(found) == 10
    by_name = {name: outcome.verdict for name, outcome in found.items() if name.startswith("wrong extension")}
    assert set(by_name.values()) == {"accepted"}
    assert any(outcome.verdict == "refused" and outcome.by == "check" for outcome in found.values())


def test_files_that_are_no_video_are_refused(tmp_path):
    files = itertools.islice(damage.no_video(tmp_path), 8)
    found = outcomes(files, tmp_path / "scratch")
    assert {outcome.verdict for outcome in found.values()} == {"refused"}
    assert all(outcome.line.startswith("check: error: ") for outcome in found.values())


def test_the_judge_sees_what_is_wrong(tmp_path):
    subject = SubjectFolder(tmp_path)
    line = "crop: error: no face was found\n"
    assert judge(2, f"crop: looking: 10%\r{line}", subject) == ("", line.strip(), "crop")
    assert "2 error lines" in judge(2, line + line, subject)[0]
    assert "Traceback" in judge(2, f"Traceback (most recent call last):\n{line}", subject)[0]
    assert "status -11" in judge(-11, "", subject)[0]
    assert "status 1" in judge(1, line, subject)[0]
    subject.video.write_bytes(b"half")
    assert judge(2, line, subject)[0] == "left video.mp4"


def test_the_table():
    text = table(
        {"flipped": [Outcome("refused", "x", "check", 9.0, 1.0, 5_000_000), Outcome("accepted", "", "", 9.0, 2.0, 1)]}
    )
    assert "| flipped | 2 | 1 | 0 | 0 | 1 | 0 | 2.0 | 5 |" in text
