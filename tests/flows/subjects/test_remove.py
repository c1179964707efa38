"""Removal: nothing of the person is left, nothing of anybody else is gone, and the proof is a search that can fail."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import sqlalchemy as sa
import yaml

from flows.subjects import remove as module
from flows.subjects.objects import local_cache
from flows.subjects.remove import remove
from flows.subjects.rename import rename
from flows.tables import proof_text
from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder
from tasks.errors import BadInput, StageFailed
from tests.flows.test_cli import environment, erlnet
from tests.flows.toy import PROJECT, Toy


@pytest.fixture
def remote(finished: Toy, tmp_path: Path) -> Path:
    """A remote in a folder that holds everything of a and b, remembered runs too."""
    folder = tmp_path / "remote"
    finished.dvc("remote", "add", "-d", "store", str(folder))
    finished.dvc("push", "-q", "--run-cache")
    return folder


def md5s(toy: Toy, subject: str) -> set[str]:
    names = ("source.video", "video.mp4", "flame.parquet", "report.html", "subject.yaml")
    return {hashlib.md5((toy.folder(subject) / name).read_bytes(), usedforsecurity=False).hexdigest() for name in names}


def files_with(folder: Path, *words: bytes) -> list[str]:
    """An independent search: plain bytes, every file but git's."""
    found = []
    for path in sorted(folder.rglob("*")):
        if ".git" in path.relative_to(folder).parts or not path.is_file():
            continue
        text = str(path.relative_to(folder)).replace("/", "").encode() + path.read_bytes()
        found += [f"{path}: {word!r}" for word in words if word in text]
    return found


def test_nothing_of_the_person_is_left_and_nothing_of_others_is_gone(finished: Toy, remote: Path) -> None:
    rename(finished.root, "a", "annabel")
    finished.onboard("c", "video of a")  # the same video: one object, two people
    inbox = finished.root / "data" / "inbox"
    (inbox / "rejected").mkdir(parents=True)
    for name, text in [("x.yaml", "id: annabel"), ("x.mp4", "blurred"), ("x.2.mp4", "c's"), ("y.yaml", "id: c")]:
        (inbox / "rejected" / name).write_text(text)
    (inbox / "rejected" / "copy of it.mov").write_text("video of a")
    hashes = md5s(finished, "annabel")
    shared = hashlib.md5(b"video of a", usedforsecurity=False).hexdigest()
    others = {oid for oid in local_cache(finished.root).objects() if oid not in hashes}

    proof = remove(finished.root, "annabel")
    assert proof.left == []
    assert proof.kept == {shared: "c"}
    assert files_with(finished.root, b"annabel", *(text.encode() for text in hashes - {shared})) == []
    assert files_with(remote, b"subject a ", b"subjects/a/", *(text.encode() for text in hashes - {shared})) == []
    # Everybody else has everything.
    assert local_cache(finished.root).objects().keys() == others | {shared}
    assert (finished.folder("c") / "source.video").read_text() == "video of a"
    assert sorted(path.name for path in (inbox / "rejected").iterdir()) == ["copy of it.mov", "x.2.mp4", "y.yaml"]
    before = {path: path.read_bytes() for path in finished.folder("b").iterdir() if path.is_file()}
    shutil.rmtree(finished.root / ".dvc" / "cache")
    for name in ("source.video", "video.mp4", "flame.parquet", "report.html"):
        (finished.folder("b") / name).unlink()
    finished.dvc("pull", "-q", *(f"data/subjects/b/{name}" for name in ("dvc.yaml", "source.video.dvc")))
    assert {path: path.read_bytes() for path in finished.folder("b").iterdir() if path.is_file()} == before
    with pytest.raises(BadInput, match="no subject 'annabel'"):
        remove(finished.root, "annabel")


def test_a_copy_of_the_video_goes_whatever_its_name(finished: Toy) -> None:
    inbox = finished.root / "data" / "inbox" / "deep"
    inbox.mkdir(parents=True)
    (inbox / "IMG_0001.MOV").write_text("video of a")
    (inbox / "IMG_0002.MOV").write_text("video of c")  # as long
    assert remove(finished.root, "a").deleted["files of the inbox"] == 1
    assert [path.name for path in inbox.iterdir()] == ["IMG_0002.MOV"]


@pytest.mark.usefixtures("s3")
def test_an_inbox_in_a_bucket_forgets_as_well(finished: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERLNET_INBOX", "s3://erlnet/hand-in")
    client = boto3.client("s3")
    objects = {"rejected/x-0123.mp4": b"blurred", "rejected/x-0123.yaml": b"id: a", "rejected/x-0123.reason.txt": b"no",
               "quarantine/y.mov": b"video of a", "z.yaml": b"id: b", "z.mp4": b"video of c"}  # fmt: skip
    for name, body in objects.items():
        client.put_object(Bucket="erlnet", Key=f"hand-in/{name}", Body=body)
    proof = remove(finished.root, "a")
    assert proof.left == []
    assert "the inbox s3://erlnet/hand-in" in proof.searched
    assert proof.deleted["files of the inbox"] == 4
    listed = client.list_objects_v2(Bucket="erlnet", Prefix="hand-in/")["Contents"]
    assert [item["Key"] for item in listed] == ["hand-in/z.mp4", "hand-in/z.yaml"]
    monkeypatch.setenv("ERLNET_INBOX", "s3://no-such-bucket/x")
    with pytest.raises(BadInput, match="there is no bucket 'no-such-bucket'"):
        remove(finished.root, "b")


def test_earlier_versions_go_too(finished: Toy) -> None:
    """Objects of earlier runs, which only the run cache or git's history names."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    earlier = md5s(finished, "a")
    subprocess.run(["git", "add", "--all"], cwd=finished.root, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "first"], cwd=finished.root, check=True)
    shutil.rmtree(finished.root / ".dvc" / "cache" / "runs")
    params = finished.root / "params.yaml"
    for size in (2, 3):
        params.write_text(params.read_text().replace(f"track: {{size: {size - 1}}}", f"track: {{size: {size}}}"))
        finished.dvc("repro", "-q", "data/subjects/a/dvc.yaml")
        earlier |= md5s(finished, "a")
    proof = remove(finished.root, "a")
    assert proof.left == []
    assert not earlier & local_cache(finished.root).objects().keys()
    assert proof.commits > 0
    assert "git filter-repo --invert-paths --path data/subjects/a" in proof_text(proof)


def test_the_proof_finds_what_is_left(finished: Toy) -> None:
    secret = md5s(finished, "a").pop()
    (finished.root / "data" / "notes.txt").write_text(f"see {secret}")
    (finished.root / "data" / "subjects" / "b" / "hint.json").write_text('{"style": "a"}')
    proof = remove(finished.root, "a")
    assert {trace.where for trace in proof.left} == {"data/notes.txt", "data/subjects/b/hint.json"}
    assert "LEFT: data/notes.txt" in proof_text(proof)
    assert "nothing is left" not in proof_text(proof)
    (finished.root / "data" / "notes.txt").unlink()
    (finished.root / "data" / "subjects" / "b" / "hint.json").unlink()
    assert remove(finished.root, "a").left == []  # the same command goes on from its journal
    assert not list((finished.root / ".dvc" / "tmp" / "erlnet").glob("removing-*"))


@pytest.mark.parametrize("where", ["_remove_tree", "_forget_files", "_search"])
def test_a_removal_that_was_killed_is_ended_by_the_same_command(finished: Toy, where: str) -> None:
    hashes = md5s(finished, "a")
    program = (
        "import os, signal\nfrom pathlib import Path\nfrom flows.subjects import remove as module\n"
        f"module.{where} = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"module.remove(Path({str(finished.root)!r}), 'a')\n"
    )
    assert hasattr(module, where)
    run = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(PROJECT)}, check=False)
    assert run.returncode == -signal.SIGKILL
    assert remove(finished.root, "a").left == []
    assert files_with(finished.root, b"subjects/a/", *(text.encode() for text in hashes)) == []


def test_a_remote_that_does_not_answer_is_said_and_the_removal_can_go_on(finished: Toy, remote: Path) -> None:
    away = remote.with_name("away")
    remote.rename(away)
    remote.write_text("not a folder")
    with pytest.raises(StageFailed, match="the DVC remote 'store' cannot be searched"):
        remove(finished.root, "a")
    remote.unlink()
    away.rename(remote)
    assert remove(finished.root, "a").left == []
    assert files_with(remote, b"subjects/a/") == []


def test_a_running_stage_is_not_pulled_away(finished: Toy) -> None:
    run_record.begin(SubjectFolder.of("a", finished.root).runs, "crop")
    with pytest.raises(BadInput, match="stage crop of subject 'a' is running"):
        remove(finished.root, "a")
    assert finished.folder("a").exists()


@pytest.mark.timeout(900)
def test_prefects_database_forgets_as_well(toy: Toy) -> None:
    """Through the command, on the embedded server's database that the runs before it filled."""
    video = toy.root / "out" / "some.mp4"
    video.parent.mkdir()
    for subject in ("wilhelmina", "ben"):
        video.write_text(f"a video of {subject}")
        toy.control(subject, "report", "fail" if subject == "wilhelmina" else "sleep 0")
        request = ["--subject", subject, "--consent", f"{subject} signed", "--profile", "demo"]
        erlnet(toy.root, "onboard", str(video), *request, timeout=300)
    toy.control("wilhelmina", "report", "")
    shutil.rmtree(toy.root / "control")
    engine = sa.create_engine(f"sqlite:///{toy.root / '.prefect' / 'prefect.db'}")
    with engine.connect() as connection:
        names = [name for (name,) in connection.execute(sa.text("select name from flow_run"))]
    assert sorted(names) == ["onboard-ben", "onboard-wilhelmina"]

    refused = subprocess.run(
        [sys.executable, "-m", "flows.cli", "remove", "wilhelmina"], cwd=toy.root, env=environment(toy.root),
        input="wilhelm\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert toy.folder("wilhelmina").exists()
    done = erlnet(toy.root, "remove", "wilhelmina", "--yes", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    proof = json.loads(done.stdout)
    assert proof["left"] == []
    assert proof["deleted"]["rows of Prefect's database"] > 10
    shutil.rmtree(toy.root / "out")
    (toy.root / "log.txt").unlink()
    assert files_with(toy.root, b"wilhelmina") == []
    with engine.connect() as connection:
        assert [*connection.execute(sa.text("select name from flow_run"))] == [("onboard-ben",)]
        assert connection.execute(sa.text("select count(*) from task_run where name like '%ben%'")).scalar() == 3
        messages = [text for (text,) in connection.execute(sa.text("select message from log"))]
    assert any("ben" in text for text in messages)
    engine.dispose()
    assert yaml.safe_load((toy.folder("ben") / "dvc.lock").read_text())["stages"].keys() == {"crop", "track", "report"}
