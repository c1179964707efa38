"""The bridge on a small checkout whose stages DVC runs for real."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from flows.bridge.graph import read_graph
from flows.bridge.planner import Target, make_plan, parse_targets
from flows.outcome import BAD_INPUT
from flows.repro import repro
from flows.status import subject_states
from tasks.errors import BadInput
from tests.flows.toy import Toy

pytestmark = pytest.mark.usefixtures("prefect_server")


def run(targets: list[str] | None = None, **parameters: float) -> str | None:
    """Run the flow; None where it completed, else its message."""
    state = repro(targets, return_state=True, **parameters)
    return None if state.is_completed() else state.message


def states(toy: Toy, subject: str) -> list[str]:
    (status,) = subject_states(toy.root, [subject])
    return [stage.state for stage in status.stages.values()]


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def processes_in(root: Path) -> list[psutil.Process]:
    """Living processes that work in ``root``, this one aside."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(root):
                found.append(process)
        except psutil.Error:
            pass
    return found


def test_two_subjects_one_fails_and_a_second_run_does_only_what_is_left(toy: Toy) -> None:
    toy.onboard("a")
    toy.onboard("b")
    toy.control("a", "track", "fail")

    assert run() == "track of subject a failed: the toy broke"
    assert sorted(toy.started()) == ["a:crop", "a:track", "b:crop", "b:report", "b:track"]
    for subject in "ab":
        order = [entry for entry in toy.started() if entry.startswith(subject)]
        assert order == [f"{subject}:{stage}" for stage in ("crop", "track", "report")][: len(order)]
    assert states(toy, "a") == ["done", "failed", "stale"]
    assert states(toy, "b") == ["done", "done", "done"]
    (status,) = subject_states(toy.root, ["a"])
    assert status.stages["track"].message == "the toy broke"

    toy.control("a", "track", "")
    toy.forget()
    assert run() is None
    assert toy.started() == ["a:track", "a:report"]
    assert states(toy, "a") == ["done"] * 3
    assert toy.dvc("status") == "Data and pipelines are up to date."
    # What this project's DVC does without Prefect is the same: nothing is left for it.
    toy.forget()
    toy.dvc("repro", "--all-pipelines")
    assert toy.started() == []
    for subject in "ab":
        lock = yaml.safe_load((toy.folder(subject) / "dvc.lock").read_text())
        assert list(lock["stages"]) == ["crop", "track", "report"]


def test_dvc_alone_gives_the_same_files(toy: Toy) -> None:
    toy.onboard("a")
    assert run() is None
    ours = {path.name: path.read_bytes() for path in toy.folder("a").iterdir() if path.is_file()}
    for path in toy.folder("a").iterdir():
        if path.name in ("video.mp4", "flame.parquet", "report.html", "dvc.lock"):
            path.unlink()
    (toy.root / "data" / "assets" / "head").unlink()
    toy.forget()
    toy.dvc("repro", "--all-pipelines", "--no-run-cache")
    assert toy.started() == ["a:crop", "a:track", "a:report"]
    assert {path.name: path.read_bytes() for path in toy.folder("a").iterdir() if path.is_file()} == ours


def test_a_missing_output_comes_back_from_the_cache(toy: Toy) -> None:
    toy.onboard("a")
    assert run() is None
    toy.forget()
    for name in ("source.video", "video.mp4", "flame.parquet"):
        (toy.folder("a") / name).unlink()
    assert states(toy, "a") == ["stale", "stale", "stale"]
    assert run() is None
    assert toy.started() == []
    assert (toy.folder("a") / "flame.parquet").read_text() == "video of acroptrack"


def test_only_what_a_parameter_touches_runs_again(toy: Toy) -> None:
    toy.onboard("a")
    assert run() is None
    toy.forget()
    params = toy.root / "params.yaml"
    params.write_text(params.read_text().replace("track: {size: 1}", "track: {size: 2}"))
    plan = make_plan(toy.root, write=False)
    assert [stage.name for stage in plan.stages.values()] == ["track", "report"]
    assert plan.reasons["data/subjects/a/dvc.yaml:track"] == [
        "profiles.demo.track modified",
        "profiles.demo.track.size modified",
    ]
    assert run() is None
    assert toy.started() == ["a:track", "a:report"]


def test_new_code_is_found_by_plan_and_dry_run_writes_nothing(toy: Toy) -> None:
    toy.onboard("a")
    assert run() is None
    toy.forget()
    (toy.root / "tasks" / "extra.py").write_text("VALUE = 1\n")
    module = toy.root / "tasks" / "report.py"
    module.write_text(module.read_text().replace("from dataclasses", "import tasks.extra  # noqa\nfrom dataclasses"))
    before = (toy.folder("a") / "dvc.yaml").read_text()
    plan = make_plan(toy.root, write=False)
    assert [stage.name for stage in plan.stages.values()] == ["report"]
    assert (toy.folder("a") / "dvc.yaml").read_text() == before
    assert states(toy, "a") == ["done", "done", "stale"]
    assert run() is None
    assert toy.started() == ["a:report"]
    assert "tasks/extra.py" in (toy.folder("a") / "dvc.yaml").read_text()
    assert make_plan(toy.root).stages == {}


def test_a_target_takes_what_it_needs_and_no_more(toy: Toy) -> None:
    toy.onboard("a")
    toy.onboard("b")
    assert run(["a:track"]) is None
    assert toy.started() == ["a:crop", "a:track"]
    assert (toy.root / "data" / "assets" / "head").exists()
    assert states(toy, "b") == ["stale"] * 3
    with pytest.raises(BadInput, match="no subject 'nobody'"):
        parse_targets(toy.root, ["nobody"])
    state = repro(["a:sing"], return_state=True)
    assert state.name == BAD_INPUT
    assert "it has crop, track, report" in state.message


def test_loading_one_subject_does_not_load_the_others(toy: Toy) -> None:
    toy.onboard("a")
    toy.onboard("b")
    (toy.folder("b") / "dvc.yaml").write_text("stages: [this is no pipeline\n")
    graph = read_graph(toy.root, ["a"])
    assert {stage.unit for stage in graph.stages.values()} == {"", "a"}
    assert not graph.broken
    assert "b" in read_graph(toy.root, ["a", "b"]).broken


def test_a_damaged_subject_leaves_the_others_alone(toy: Toy) -> None:
    toy.onboard("a")
    toy.onboard("b")
    (toy.folder("b") / "subject.yaml").write_text("id: b\n")
    message = run()
    assert message is not None
    assert "subject b" in message
    assert "subject.yaml is damaged" in message
    assert states(toy, "a") == ["done"] * 3
    assert states(toy, "b") == ["failed"] * 3


def test_a_quarantined_subject_is_left_out(toy: Toy) -> None:
    toy.onboard("a")
    record = toy.folder("a") / "subject.yaml"
    text = (
        record.read_text()
        .replace("status: active", "status: quarantined")
        .replace("reasons: []", "reasons: [two faces]")
    )
    record.write_text(text)
    plan = make_plan(toy.root)
    assert plan.quarantined == ["a"]
    assert {stage.unit for stage in plan.stages.values()} == {""}
    (status,) = subject_states(toy.root, ["a"])
    assert {stage.state for stage in status.stages.values()} == {"quarantined"}
    assert status.stages["crop"].message == "two faces"


def test_a_stage_over_its_time_is_ended_with_all_it_started(toy: Toy) -> None:
    toy.onboard("a")
    toy.control("a", "track", "hang")
    assert run(stage_timeout=12.0) == "track of subject a failed: ended because it ran longer than 12 s"
    assert not processes_in(toy.root)
    assert states(toy, "a") == ["done", "failed", "stale"]
    assert not list(toy.folder("a").glob("*.tmp-*.lock"))


def test_kill_9_of_a_running_stage_then_only_what_is_left(toy: Toy) -> None:
    toy.onboard("a")
    toy.control("a", "track", "hang")

    def kill() -> None:
        wait_for(lambda: states(toy, "a")[1] == "running")
        (process,) = [p for p in processes_in(toy.root) if "tasks.track" in p.cmdline() and "dvc" not in p.cmdline()]
        process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    message = run()
    killer.join()
    assert message is not None
    assert message.startswith("track of subject a failed: the process ended without a word")
    assert states(toy, "a") == ["done", "failed", "stale"]
    # A killed process cannot tidy up; the next run does.
    half = [toy.folder("a") / name for name in ("half", "checkpoints/nerf", "runs/nerf_preview")]
    half = [path.with_name(f"{path.name}.tmp-0123abcd.mp4") for path in half]
    assert half[0].exists()
    for path in half[1:]:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    toy.control("a", "track", "")
    toy.forget()
    assert run() is None
    assert toy.started() == ["a:track", "a:report"]
    assert not any(path.exists() for path in half)


def test_an_interrupt_ends_every_process_and_the_next_run_goes_on(toy: Toy) -> None:
    toy.onboard("a")
    toy.onboard("b")
    toy.control("a", "crop", "hang hard")
    toy.control("b", "crop", "hang")

    def interrupt() -> None:
        wait_for(lambda: sorted(toy.started()) == ["a:crop", "b:crop"])
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        run()
    interrupter.join()
    assert not processes_in(toy.root)
    assert states(toy, "a") == ["failed", "stale", "stale"]
    for subject in "ab":
        toy.control(subject, "crop", "")
    assert run(["a:crop"]) is None  # no lock of the ended processes is in the way
    assert states(toy, "a")[0] == "done"


def test_independent_stages_run_side_by_side_up_to_the_limit(toy: Toy) -> None:
    for subject in "abc":
        toy.onboard(subject)
        toy.control(subject, "crop", "sleep 2")
    most = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.1):
            running = [s for s in subject_states(toy.root, ["a", "b", "c"]) if s.stages["crop"].state == "running"]
            most = max(most, len(running))

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert run(["a:crop", "b:crop", "c:crop"], limit=2) is None
    over.set()
    watcher.join()
    assert most == 2


def test_a_plan_asks_dvc_only_about_what_changed(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.onboard("a")
    toy.onboard("b")
    assert run() is None
    assert make_plan(toy.root).stages == {}
    time.sleep(0.1)  # a file that changed while DVC looked is not remembered
    assert make_plan(toy.root).stages == {}
    asked: list[list[str]] = []

    def record(root: Path, subjects: list[str], shared: bool = True):
        asked.append(list(subjects))
        return read_graph(root, subjects, shared)

    monkeypatch.setattr("flows.bridge.planner.read_graph", record)
    assert make_plan(toy.root).stages == {}
    assert asked == []
    (toy.folder("b") / "flame.parquet").unlink()
    plan = make_plan(toy.root)
    assert asked == [["b"]]
    assert [stage.name for stage in plan.stages.values()] == ["track", "report"]
    (toy.root / "data" / "assets" / "head").unlink()
    plan = make_plan(toy.root, [Target("a")])
    assert asked[1] == []  # about the shared stages only
    assert [stage.name for stage in plan.stages.values()] == ["head", "track", "report"]


def test_what_all_subjects_share_is_compared_by_content(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.onboard("a")
    toy.onboard("b")
    assert run() is None
    time.sleep(0.1)
    assert make_plan(toy.root).stages == {}
    asked: list[list[str]] = []

    def record(root: Path, subjects: list[str], shared: bool = True):
        asked.append(list(subjects))
        return read_graph(root, subjects, shared)

    monkeypatch.setattr("flows.bridge.planner.read_graph", record)
    params, module = toy.root / "params.yaml", toy.root / "tasks" / "track.py"
    for path in (params, module):
        path.write_text(path.read_text() + "\n# a remark that is taken back\n")
        path.write_text(path.read_text().replace("\n# a remark that is taken back\n", ""))
    params.write_text(params.read_text().replace("cpu: {}", "cpu: {crop: {size: 3}}"))  # nobody's profile
    assert make_plan(toy.root).stages == {}
    assert asked == []

    def compare() -> None:
        """What is planned without DVC is what DVC plans."""
        ours = make_plan(toy.root, write=False)
        assert asked == []
        memory = toy.root / ".dvc" / "tmp" / "erlnet" / "up_to_date.json"
        text = memory.read_text()
        memory.unlink()
        theirs = make_plan(toy.root, write=False)
        assert asked
        asked.clear()
        memory.write_text(text)
        assert ours.stages.keys() == theirs.stages.keys()
        assert {key: sorted(value) for key, value in ours.reasons.items()} == {
            key: sorted(value) for key, value in theirs.reasons.items()
        }

    params.write_text(params.read_text().replace("track: {size: 1}", "track: {size: 2}"))
    compare()
    params.write_text(params.read_text().replace("track: {size: 2}", "track: {}"))
    compare()
    params.write_text(params.read_text().replace("track: {}", "track: {size: 1}"))
    module.write_text(module.read_text() + "\n# a remark that stays\n")
    compare()
    (toy.root / "tasks" / "errors.py").rename(toy.root / "tasks" / "gone.py")
    compare()
