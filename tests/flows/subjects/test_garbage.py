"""Garbage collection and disk use: whatever the locks say is kept, to the byte."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.subjects.disk import usage
from flows.subjects.freeze import freeze
from flows.subjects.garbage import collect
from flows.subjects.objects import local_cache, references
from flows.subjects.rename import rename
from tasks.errors import BadInput, DamagedArtifact, StageFailed
from tests.flows.toy import Toy


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def put(root: Path, content: bytes) -> str:
    oid = md5(content)
    path = local_cache(root).path(oid)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return oid


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bare")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True)
    return root


# Objects are numbers; a lock refers to some of them as outputs, some as inputs, some through a .dvc file.
_OBJECTS = st.sets(st.integers(0, 15))
_SUBJECT = st.tuples(_OBJECTS, _OBJECTS, _OBJECTS, st.sampled_from(["plain", "frozen", "quarantined", "previous"]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(there=_OBJECTS, shared=_OBJECTS, subjects=st.lists(_SUBJECT, max_size=4))
def test_gc_keeps_exactly_what_a_lock_refers_to(
    bare: Path, there: set[int], shared: set[int], subjects: list[tuple[set[int], set[int], set[int], str]]
) -> None:
    shutil.rmtree(bare / "data", ignore_errors=True)
    shutil.rmtree(bare / ".dvc" / "cache", ignore_errors=True)
    oids = {number: put(bare, b"%d" % number) for number in there}

    def entry(number: int) -> dict:
        return {"path": f"p{number}", "hash": "md5", "md5": md5(b"%d" % number), "size": 1}

    def lock(path: Path, deps: set[int], outs: set[int]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        stage = {"cmd": "x", "deps": [entry(n) for n in deps], "outs": [entry(n) for n in outs]}
        path.write_text(yaml.safe_dump({"schema": "2.0", "stages": {"s": stage}}))

    lock(bare / "dvc.lock", set(), shared)
    for number, (deps, outs, added, kind) in enumerate(subjects):
        folder = bare / "data" / "subjects" / (f".previous-s{number}" if kind == "previous" else f"s{number}")
        lock(folder / "dvc.lock", deps, outs)
        (folder / "source.video.dvc").write_text(yaml.safe_dump({"outs": [entry(n) for n in added]}))
        if kind == "frozen":
            (folder / "frozen.yaml").write_text("since: now\n")
    wanted = shared.union(*(deps | outs | added for deps, outs, added, _ in subjects))
    expected = {oids[number] for number in there - wanted}

    found = collect(bare)
    assert set(found.unused) == expected
    assert set(local_cache(bare).objects()) == set(oids.values())  # only looked at
    collect(bare, delete=True)
    assert set(local_cache(bare).objects()) == set(oids.values()) - expected
    assert collect(bare).unused == {}


def test_gc_frees_earlier_versions_and_dvc_finds_all_it_needs(finished: Toy) -> None:
    freeze(finished.root, "b")
    params = finished.root / "params.yaml"
    params.write_text(params.read_text().replace("track: {size: 1}", "track: {size: 2}"))
    finished.dvc("repro", "-q", "data/subjects/a/dvc.yaml")
    before = (finished.folder("a") / "report.html").read_bytes()
    found = collect(finished.root, delete=True)
    assert len(found.unused) == 2  # flame.parquet and report.html as they were; b's are b's lock's
    assert found.runs
    for path in (*finished.folder("a").glob("*.html"), *finished.folder("b").glob("*.parquet")):
        path.unlink()
    finished.dvc("checkout", "-q")
    assert (finished.folder("a") / "report.html").read_bytes() == before
    assert (finished.folder("b") / "flame.parquet").exists()


def test_with_history_an_earlier_state_can_be_checked_out(finished: Toy) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", "add", "--all"], cwd=finished.root, check=True)
    subprocess.run([*git, "commit", "-qm", "first"], cwd=finished.root, check=True)
    params = finished.root / "params.yaml"
    params.write_text(params.read_text().replace("track: {size: 1}", "track: {size: 2}"))
    finished.dvc("repro", "-q", "data/subjects/a/dvc.yaml")
    assert collect(finished.root, history=True).unused == {}
    assert len(collect(finished.root).unused) == 2


def test_in_doubt_nothing_is_deleted(finished: Toy) -> None:
    put(finished.root, b"nobody's")
    lock = finished.folder("b") / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text[: len(text) // 2] + "\n: [")
    with pytest.raises(DamagedArtifact, match=r"dvc\.lock is damaged"):
        collect(finished.root, delete=True)
    lock.write_text(text.replace("outs:", "outs:\n    - {path: x, md5: " + "0" * 32 + ".dir}", 1))
    with pytest.raises(StageFailed, match="the list of the folder 0000"):
        collect(finished.root, delete=True)
    inner = put(finished.root, b"in a folder")
    listing = local_cache(finished.root).path("0" * 32 + ".dir")
    listing.parent.mkdir(exist_ok=True)
    listing.write_text(json.dumps([{"md5": inner, "relpath": "x"}]))
    assert [*collect(finished.root).unused.values()] == [len(b"nobody's")]
    (finished.root / ".dvc" / "config.local").write_text("[cache]\n    dir = /somewhere/else\n")
    with pytest.raises(BadInput, match="outside this checkout"):
        collect(finished.root, delete=True)


def test_disk_use_adds_up(finished: Toy) -> None:
    finished.onboard("c", "video of a")  # the same video as a's
    put(finished.root, b"nobody's")
    found = usage(finished.root)
    rows = {row.subject: row for row in found.subjects}
    assert set(rows) == {"a", "b", "c"}
    head = len(b"head\n")  # the asset that every subject's track stage reads
    assert (rows["a"].shared, rows["b"].shared, rows["c"].shared) == (10 + head, head, len(b"video of a"))
    outputs = ("video.mp4", "flame.parquet", "report.html")
    sizes = {s: [(finished.folder(s) / name).stat().st_size for name in outputs] for s in ("a", "b")}
    assert rows["a"].own == sum(sizes["a"])
    assert rows["b"].own == sum(sizes["b"]) + len(b"video of b")
    assert found.unused == len(b"nobody's")
    folder = finished.folder("b")
    assert rows["b"].folder == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    rename(finished.root, "b", "ben")
    assert {row.subject: row.own for row in usage(finished.root).subjects}["ben"] == rows["b"].own
    assert set(references(finished.root)) == {"a", "ben", "c", "shared"}
