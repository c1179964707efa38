"""Runs a plan: one Prefect task a stage, each a ``dvc repro --single-item`` in a process group of its own."""

import logging
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed, State
from prefect.task_runners import ThreadPoolTaskRunner

from flows.bridge.failure import explain, title
from flows.bridge.graph import SHARED, Stage
from flows.bridge.locks import sort_locks
from flows.bridge.planner import Plan
from flows.bridge.process import ProcessGroups, TimedOut
from flows.environment import stage_environment
from tasks.artifacts.layout import SubjectFolder

# What DVC says after every stage to a person at a terminal.
HINTS = ("To track the changes with git", "\tgit add ", "To enable auto staging", "\tdvc config ", "Use `dvc push`")
BUSY = "is busy, it is being blocked by"
BUSY_WAIT = 2.0  # seconds
KEPT_LINES = 50  # of a stage's output, to explain a failure


@dataclass
class Outcome:
    """done: addresses in order of completion.  failed: cause by address.  skipped: those downstream of a failure.

    messages: one line for every failure, which names stage and subject.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


@task(name="stage", task_run_name="{address}", cache_policy=NO_CACHE, persist_result=False, retries=0)
def stage_task(address: str, root: Path, stage: Stage, groups: ProcessGroups, timeout: float | None) -> State[Any]:
    """Bring one stage up to date.  A failure comes back as a state: its cause is one line, not a traceback of ours."""
    cause = run_stage(root, stage, groups, timeout, logger=get_run_logger())
    return Completed(message=address) if cause is None else Failed(message=cause)


def run_stage(root: Path, stage: Stage, groups: ProcessGroups, timeout: float | None, logger: Any = None) -> str | None:
    """Bring one stage up to date with a DVC process of its own; returns None, or the cause of the failure.

    Raises Ended where the whole run is being ended.
    """
    logger = logger or logging.getLogger(__name__)
    # DVC's lock is held by every DVC process for moments: wait for it rather than fail.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock"]
    if stage.source and stage.missing:
        command += ["checkout", stage.address]
    else:
        command += ["repro", "--single-item", stage.address]
    output: deque[str] = deque(maxlen=KEPT_LINES)

    def keep(line: str) -> None:
        if line.startswith(HINTS):
            return
        output.append(line)
        logger.info("%s", line)

    started = time.time()
    while True:
        left = None if timeout is None else timeout - (time.time() - started)
        try:
            status = groups.run(command, root, stage_environment(), keep, left)
        except TimedOut:
            return f"ended because it ran longer than {timeout:g} s"
        if status == 0 or not any(BUSY in line for line in output):
            break
        # Another DVC process has the stage's files: one that looks at them for a moment, or one that runs it.
        logger.info("waiting for another DVC process")
        output.clear()
        time.sleep(BUSY_WAIT)
    if status == 0:
        return None
    if stage.source:
        return f"{stage.name} is neither in its folder nor in DVC's cache: fetch it with 'dvc pull {stage.address}'"
    return explain(root, stage, status, list(output), started)


def task_runner(limit: int) -> Any:
    """The task runner for a flow that calls ``run_plan``: one thread for every stage that may run at once."""
    return ThreadPoolTaskRunner(max_workers=limit)


def run_plan(root: Path, plan: Plan, limit: int, timeout: float | None = None) -> Outcome:
    """Run ``plan`` inside a flow, at most ``limit`` stages at once, each at most ``timeout`` seconds.

    A stage is submitted when what it needs is done, so that a waiting one takes nobody's place.  A failed stage takes
    what follows it out of the run and leaves everything else alone.  However this ends, no process is left.
    """
    outcome = Outcome()
    groups = ProcessGroups()
    futures: dict[str, PrefectFuture[Any]] = {}
    finished: SimpleQueue[str] = SimpleQueue()
    waiting = dict(plan.stages)
    running: set[str] = set()
    _remove_leftovers(root, plan)
    try:
        while waiting or running:
            for address in _ready(plan, waiting, outcome)[: limit - len(running)]:
                stage = waiting.pop(address)
                upstream = [futures[other] for other in plan.upstream(address)]
                submit: Any = stage_task.submit  # its overloads know no keyword 'wait_for' beside named parameters
                future = submit(
                    address=address, root=root, stage=stage, groups=groups, timeout=timeout, wait_for=upstream
                )
                futures[address] = future
                running.add(address)
                future.add_done_callback(partial(_put, finished, address))
            if not running:
                break
            address = finished.get()
            running.discard(address)
            futures[address].wait()  # takes the final state over from the thread; before, it is the server's word
            _record(plan, outcome, address, futures[address].state)
        outcome.skipped = list(waiting)
    finally:
        groups.end_all()
        sort_locks(root, _pipelines(root, plan))
    return outcome


def _put(finished: "SimpleQueue[str]", address: str, _future: PrefectFuture[Any]) -> None:
    finished.put(address)


def _ready(plan: Plan, waiting: dict[str, Stage], outcome: Outcome) -> list[str]:
    done = set(outcome.done)
    return [address for address in waiting if done.issuperset(plan.upstream(address))]


def _record(plan: Plan, outcome: Outcome, address: str, state: State[Any]) -> None:
    if state.is_completed():
        outcome.done.append(address)
        return
    cause = state.message or f"ended in state {state.name}"
    outcome.failed[address] = cause
    outcome.messages.append(f"{title(plan.stages[address])} failed: {cause}")


def _pipelines(root: Path, plan: Plan) -> list[Path]:
    units = {stage.unit for stage in plan.stages.values()}
    folders = [root if unit == SHARED else SubjectFolder.of(unit, root).root for unit in sorted(units)]
    return [folder / "dvc.yaml" for folder in folders if (folder / "dvc.yaml").exists()]


def _remove_leftovers(root: Path, plan: Plan) -> None:
    """Half-written files of stages that were killed; a stage that still runs elsewhere keeps its own."""
    from tasks.artifacts import run_record

    for unit in {stage.unit for stage in plan.stages.values()} - {SHARED}:
        folder = SubjectFolder.of(unit, root)
        records = [run_record.read(folder.runs, path.stem) for path in folder.runs.glob("*.json")]
        if not any(record and record.outcome == "running" for record in records):
            for path in folder.root.glob("*.tmp-????????*"):
                path.unlink(missing_ok=True)
