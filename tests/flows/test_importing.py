"""Importing a set of clips into a small checkout, with a task that joins by putting bytes behind each other."""

import json
from pathlib import Path

import pytest
import yaml

from flows.commands.pipeline import import_set as command
from flows.fleet import open_fleet
from flows.importing import Imported, import_set
from flows.pipeline import CORPUS_STAGES, PipelineWriter
from flows.status import subject_states
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import SubjectRecord, read_subject
from tasks.errors import BadInput, StageFailed
from tests.flows.toy import PROJECT, Toy

JOIN = """\
import hashlib, json, sys
from pathlib import Path
options = dict(argument.split("=", 1) for argument in sys.argv[1:])
parts = [Path(item["video"]) for item in json.loads(Path(options["--clips"]).read_text())]
clips, damaged, out = [], {}, b""
for part in parts:
    data = part.read_bytes()
    if data == b"damaged":
        damaged[part.name] = "it is damaged"
        continue
    out += data
    digest = hashlib.sha256(data).hexdigest()
    clips.append({"name": part.name, "sha256": digest, "start": 2.5 * len(clips), "seconds": 2.0})
if b"broken" in out:
    Path(options["--out"]).write_bytes(out)
    raise SystemExit("the disk is full")
if not clips:
    print("join: error: none of 1 clips can be used: it is damaged", file=sys.stderr)
    raise SystemExit(2)
Path(options["--out"]).write_bytes(out)
print(json.dumps({"clips": clips, "damaged": damaged}))
"""
CHECK = """\
import json, sys
open("asked.txt", "a").write(" ".join(sys.argv[2:]) + chr(10))
"""


@pytest.fixture
def checkout(toy: Toy) -> Toy:
    (toy.root / "tasks" / "join.py").write_text(JOIN)
    check = toy.root / "tasks" / "check.py"
    check.write_text(CHECK + check.read_text())
    return toy


def put(folder: Path, actor: str, emotion: str, level: int, **takes: str) -> None:
    for kind, suffix in (("video/front", "mp4"), ("audio", "m4a")):
        place = folder / actor / kind / emotion / f"level_{level}"
        place.mkdir(parents=True, exist_ok=True)
        for name, content in takes.items():
            (place / f"{name[1:]}.{suffix}").write_text(content)


def work(toy: Toy, layout: str, folder: Path, lines: list[str] | None = None) -> Imported:
    with open_fleet(toy.root) as fleet:
        return import_set(fleet, layout, folder, "licence 7", "demo", (lines if lines is not None else []).append)


def record(toy: Toy, subject: str) -> SubjectRecord:
    return read_subject(SubjectFolder.of(subject, toy.root).record)


def test_a_set_becomes_subjects_and_a_second_time_goes_on(checkout: Toy, tmp_path: Path) -> None:
    folder, lines = tmp_path / "MEAD", []
    put(folder, "M003", "angry", 3, _001="one ", _002="damaged", _003="three")
    put(folder, "M003", "neutral", 1, _001="damaged")
    put(folder, "W011", "happy", 1, _001="short")
    done = work(checkout, "mead", folder, lines)
    assert done.new == ["mead-m003-angry-3"]
    assert done.quarantined == ["mead-w011-happy-1"]
    assert done.left_out == [
        "002.mp4 of mead-m003-angry-3: it is damaged",
        "mead-m003-neutral-1: none of 1 clips can be used: it is damaged",
    ]
    assert [line.split(":")[0].split(" as ")[0] for line in lines] == [
        "left out", "left out", "mead-w011-happy-1.mkv is quarantined",
    ]  # fmt: skip
    made = record(checkout, "mead-m003-angry-3")
    assert (made.use, made.person, made.style) == ("corpus", "mead-m003", "angry-3")
    assert made.consent.statement == "licence 7"
    assert [(clip.name, clip.start) for clip in made.clips] == [("001.mp4", 0.0), ("003.mp4", 2.5)]
    assert SubjectFolder.of("mead-m003-angry-3", checkout.root).source.read_text() == "one three"
    assert (checkout.root / "asked.txt").read_text().splitlines()[0] == "--json --pause 2.000 2.500"
    [status] = subject_states(checkout.root, ["mead-m003-angry-3"])
    assert {name: stage.state for name, stage in status.stages.items()} == {
        "crop": "stale", "track": "stale", "report": "unused",
    }  # fmt: skip

    put(folder, "M003", "sad", 2, _001="more")
    again = work(checkout, "mead", folder)
    assert again.new == ["mead-m003-sad-2"]
    assert again.there == ["mead-m003-angry-3", "mead-w011-happy-1"]
    left = [path.name for path in (checkout.root / "data" / "subjects").iterdir() if path.name.startswith(".incoming")]
    assert left == []


def test_a_file_of_its_own_is_taken_as_it_is(checkout: Toy, tmp_path: Path) -> None:
    folder = tmp_path / "HDTF"
    folder.mkdir()
    (folder / "WDA_Someone_000.mp4").write_text("minutes")
    (folder / "WDA_Someone_001.mp4").write_text("bad")
    done = work(checkout, "hdtf", folder)
    assert done.new == ["hdtf-wda_someone-000"]
    assert done.left_out == ["hdtf-wda_someone-001: no face in the first 100 frames: film one face"]
    made = record(checkout, "hdtf-wda_someone-000")
    assert (made.use, made.person, made.style, made.clips) == ("corpus", "hdtf-wda_someone", "neutral", [])


def test_a_fault_of_the_machine_ends_it_and_leaves_nothing_half(checkout: Toy, tmp_path: Path) -> None:
    put(tmp_path / "MEAD", "M003", "angry", 3, _001="broken")
    with pytest.raises(StageFailed, match="joining mead-m003-angry-3: the disk is full"):
        work(checkout, "mead", tmp_path / "MEAD")
    assert [path.name for path in (checkout.root / "data" / "subjects").iterdir()] == [".gitignore"]


def test_the_command_counts_and_refuses(checkout: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadInput, match="choose one of mead, hdtf"):
        command(tmp_path, "vox", "licence 7")
    with pytest.raises(BadInput, match="is this a folder of MEAD"):
        command(tmp_path, "mead", "licence 7", "demo")
    folder = tmp_path / "MEAD"
    put(folder, "M003", "angry", 3, _001="damaged")
    with pytest.raises(BadInput, match="consent is empty"):
        command(folder, "mead", "  ", "demo")
    with pytest.raises(BadInput, match="no subject could be made"):
        command(folder, "mead", "licence 7", "demo")
    assert "left out: mead-m003-angry-3: none of 1 clips can be used" in capsys.readouterr().err
    put(folder, "M003", "angry", 3, _001="one")
    command(folder, "mead", "licence 7", "demo")
    assert capsys.readouterr().out.splitlines()[-1] == (
        "1 subjects are new, 0 were there, 0 are quarantined, 0 clips or folders were left out"
    )


def test_a_subject_for_the_corpus_has_no_stage_of_a_portrait() -> None:
    writer = PipelineWriter(PROJECT)
    portrait, corpus = (yaml.safe_load(writer.render("a", "cpu", use)) for use in ("portrait", "corpus"))
    assert tuple(corpus["stages"]) == CORPUS_STAGES
    assert "plots" not in corpus
    assert json.dumps(corpus["stages"]["track"]) == json.dumps(portrait["stages"]["track"])
