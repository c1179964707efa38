"""The harness round every stage: parameters, one line per failure, exit status, run record; and the split."""

import errno
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder
from tasks.errors import BadInput, MissingInput, StageFailed
from tasks.params import load_params
from tasks.split import train_length
from tasks.stage import main


@dataclass
class Knobs:
    size: int = 4
    rate: float = 0.5


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    (tmp_path / "params.yaml").write_text("profiles: {demo: {knobs: {size: 9}, odd: {nope: 1}, wrong: {size: x}}}")
    SubjectFolder.of("anna").root.mkdir(parents=True)
    return tmp_path


def test_parameters_come_from_the_profile(repository: Path):
    assert load_params(Knobs, "demo", "knobs") == Knobs(size=9)
    assert load_params(Knobs, "demo", "absent") == Knobs()


@pytest.mark.parametrize(
    ("profile", "stage", "words"),
    [("x", "knobs", "choose one of demo"), ("demo", "odd", "demo.odd.nope"), ("demo", "wrong", "demo.wrong.size")],
)
def test_bad_parameters_are_one_line(repository: Path, profile: str, stage: str, words: str):
    with pytest.raises(BadInput, match=words) as caught:
        load_params(Knobs, profile, stage)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (None, 0, ""),
        (BadInput("the clip is too short"), 2, "knobs: error: the clip is too short"),
        (StageFailed("no face was found"), 1, "knobs: error: no face was found"),
        (MissingInput(Path("a/flame.parquet"), "the track stage"), 1, "made by the track stage"),
        (OSError(errno.ENOSPC, "x", "a.mp4"), 1, "the disk is full while writing a.mp4"),
        (ZeroDivisionError("a defect"), 1, "Traceback"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_every_end_has_its_status_line_and_record(repository: Path, capsys, error, status: int, words: str):
    def run(folder: SubjectFolder, params: Knobs) -> None:
        assert params.size == 9
        if error:
            raise error

    assert main("knobs", Knobs, run, ["--subject", "anna", "--profile", "demo"]) == status
    output = capsys.readouterr()
    assert words in output.err
    if "Traceback" not in words and words:
        assert output.err.count("\n") == 1
    record = run_record.read(SubjectFolder.of("anna").runs, "knobs")
    assert record is not None
    assert record.outcome == ("failed" if error else "done")


def test_a_stage_refused_for_its_parameters_is_a_failed_one(repository: Path, capsys):
    assert main("odd", Knobs, lambda folder, params: None, ["--subject", "anna", "--profile", "demo"]) == 2
    assert "demo.odd.nope" in capsys.readouterr().err
    record = run_record.read(SubjectFolder.of("anna").runs, "odd")
    assert record is not None
    assert record.outcome == "failed"
    assert "demo.odd.nope" in record.message


def test_a_folder_that_cannot_hold_the_diary_is_one_line(repository: Path, capsys):
    SubjectFolder.of("anna").runs.write_text("a file in the way")
    assert main("knobs", Knobs, lambda folder, params: None, ["--subject", "anna", "--profile", "demo"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("knobs: error: ")
    assert error.count("\n") == 1


def test_unknown_subject(repository: Path, capsys):
    assert main("knobs", Knobs, lambda folder, params: None, ["--subject", "bob", "--profile", "demo"]) == 2
    assert "no subject 'bob'" in capsys.readouterr().err


@given(st.integers(11, 10**6))
def test_the_split_leaves_an_eleventh_for_the_test(frames: int):
    test = frames - train_length(frames)
    assert test >= 1
    assert test * 11 <= frames < (test + 1) * 11


def test_too_short_to_split():
    with pytest.raises(ValueError, match="cannot be split"):
        train_length(10)
