"""The ``erlnet`` command as a user meets it: a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.cli import run
from tasks.errors import BadInput, StageFailed
from tests.flows.toy import PROJECT, Toy

ERLNET = [sys.executable, "-m", "flows.cli"]


def environment(root: Path) -> dict[str, str]:
    """As a user has it: no server, and nothing of this test session's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
    return {**kept, "ERLNET_ROOT": str(root), "PYTHONPATH": str(PROJECT)}


def erlnet(root: Path, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ERLNET, *arguments], cwd=root, env=environment(root), capture_output=True, text=True, timeout=timeout
    )


def test_help_comes_at_once() -> None:
    started = time.monotonic()
    result = erlnet(PROJECT, "--help")
    assert result.returncode == 0
    assert time.monotonic() - started < 5  # 0.2 s on an idle machine
    for command in ("onboard", "animate", "overlay", "status", "repro", "doctor", "assets"):
        assert command in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sing"], "No such command"),
        (["onboard"], "Missing argument 'video'"),
        (["onboard", "x.mp4", "--consent", "yes"], "Missing option '--subject'"),
        (["repro", "--limit", "0"], "greater than or equal to 1"),
        (["repro", "nobody"], "no subject 'nobody'"),
        (["onboard", "/nowhere.mp4", "--subject", "a", "--consent", "yes"], "/nowhere.mp4 does not exist"),
        (["onboard", "/nowhere.mp4", "--subject", "A b", "--consent", "yes"], "subject id 'A b' is not allowed"),
        (["onboard", "/nowhere.mp4", "--subject", "a", "--consent", ""], "consent is empty"),
        (
            ["animate", "--avatar", "a.erlnet", "--out", "a.mp4"],
            "exactly one of --audio SOUND, --drive VIDEO and --redub",
        ),
        (["animate", "--avatar", "a.erlnet", "--out", "a.mp4", "--drive", "/b.mp4"], "drive /b.mp4 does not exist"),
        (["animate", "--out", "a.mp4", "--audio", "/a.wav"], "either --subject ID or --avatar FILE"),
    ],
)
def test_bad_usage_is_one_line_and_2(toy: Toy, arguments: list[str], message: str) -> None:
    result = erlnet(toy.root, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.startswith("erlnet: error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (BadInput("no"), 2, "no"),
        (StageFailed("crop of subject a failed: no"), 1, "crop of subject a failed: no"),
        (OSError(28, "No space left on device", "/x/y"), 1, "the disk is full while writing /x/y: free some space"),
        (KeyboardInterrupt(), 130, "interrupted: finished stages are kept"),
    ],
)
def test_errors_become_a_line_and_a_status(
    error: BaseException, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert run(fail) == status
    assert message in capsys.readouterr().err


def test_onboard_status_and_a_second_onboard_without_any_server(toy: Toy) -> None:
    """The whole way on the embedded server: what `make demo` does, with toy stages."""
    video = toy.root / "out" / "a.mp4"
    video.parent.mkdir()
    video.write_text("a video")
    request = ["onboard", str(video), "--subject", "a", "--consent", "a test", "--profile", "demo"]
    first = erlnet(toy.root, *request)
    assert first.returncode == 0, first.stderr
    assert f"video:  {toy.folder('a') / 'render.mp4'}" in first.stdout
    assert f"report: {toy.folder('a') / 'report.html'}" in first.stdout
    assert "ran, 0." in first.stdout
    assert (toy.root / ".prefect").is_dir()  # the embedded server's database lies in the checkout

    states = json.loads(erlnet(toy.root, "status", "--json").stdout)
    assert [(s["id"], [stage["state"] for stage in s["stages"].values()]) for s in states["subjects"]] == [
        ("a", ["done"] * 3)
    ]
    before = {path: path.stat().st_mtime_ns for path in toy.folder("a").rglob("*")}
    second = erlnet(toy.root, *request)
    assert second.returncode == 0, second.stderr
    assert "subject a is up to date: nothing to run" in second.stdout
    assert "up to date (seconds of its last run)" in second.stdout
    assert "temporary server" not in second.stderr + second.stdout
    assert {path: path.stat().st_mtime_ns for path in toy.folder("a").rglob("*")} == before

    (toy.folder("a") / "report.html").unlink()
    plan = erlnet(toy.root, "repro", "--dry-run")
    assert plan.returncode == 0
    assert [line.split()[:2] for line in plan.stdout.splitlines()] == [["subject", "stage"], ["a", "report"]]
    assert not (toy.folder("a") / "report.html").exists()


def test_ctrl_c_leaves_no_process_of_ours(toy: Toy) -> None:
    toy.onboard("a")
    toy.control("a", "crop", "hang")
    process = subprocess.Popen(
        [*ERLNET, "repro"], cwd=toy.root, env=environment(toy.root), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while "a:crop" not in toy.started():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 3  # the embedded server, dvc, the stage
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: to erlnet and its server, not to the stages
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "erlnet: error: interrupted: finished stages are kept" in output
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [member for member in alive if member.status() != psutil.STATUS_ZOMBIE] == []


def test_doctor_names_everything_and_what_missing_things_cost() -> None:
    result = erlnet(PROJECT, "doctor", "--json")
    findings = {(item["kind"], item["name"]): item for item in json.loads(result.stdout)}
    assert findings["library", "torch"]["state"] == "present"
    assert findings["library", "dvc"]["detail"].startswith("3.")
    assert findings["device", "processor"]["state"] == "present"
    assert ("device", "accelerator") in findings
    assert ("asset", "moonshine") in findings
    assert findings["service", "prefect server"]["state"] == "missing"
    for item in findings.values():
        if item["state"] != "present":
            assert item["cost"]
            assert item["remedy"]
    lacking = [item["name"] for item in findings.values() if item["needed"] and item["state"] != "present"]
    assert result.returncode == (1 if lacking else 0)


def test_assets_list_and_an_asset_that_cannot_be_fetched() -> None:
    listed = json.loads(erlnet(PROJECT, "assets", "list", "--json").stdout)
    assert {"sample", "head", "flame2023-open"} <= {item["name"] for item in listed}
    refused = erlnet(PROJECT, "assets", "fetch", "flame2023-open")
    assert refused.returncode == 2
    assert "register at https://" in refused.stderr
    assert refused.stderr.count("\n") == 1
