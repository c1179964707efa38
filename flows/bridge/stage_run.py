"""Brings one stage up to date: a DVC process in a process group of its own, and what it says and leaves."""

import contextlib
import logging
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from flows.bridge.failure import explain
from flows.bridge.graph import PRIOR, SHARED, Stage
from flows.bridge.process import ProcessGroups, TimedOut
from flows.bridge.repair import release_dead_locks, remove_damaged
from flows.environment import stage_environment
from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.run_record import RunRecord

# What DVC says after every stage to a person at a terminal.
HINTS = ("To track the changes with git", "\tgit add ", "To enable auto staging", "\tdvc config ", "Use `dvc push`")
BUSY = "is busy, it is being blocked by"
RESTORED = "is cached - skipping run"
BUSY_WAIT = 2.0  # seconds
KEPT_LINES = 50  # of a stage's output, to explain a failure


def run_stage(root: Path, stage: Stage, groups: ProcessGroups, timeout: float | None, logger: Any = None) -> str | None:
    """Bring one stage up to date with a DVC process of its own; returns None, or the cause of the failure.

    What comes out of DVC's cache is compared with its checksum; where it is damaged the stage is run after all.
    Raises Ended where the whole run is being ended.
    """
    logger = logger or logging.getLogger(__name__)
    before = read_record(root, stage)
    cause: str | None = None
    for _ in range(2):
        cause, restored = _dvc(root, stage, groups, timeout, logger)
        if cause is None and restored and (damaged := remove_damaged(root, stage.unit, _name(stage))):
            logger.warning("damaged in DVC's cache and removed from it: %s", ", ".join(damaged))
            cause = f"what DVC's cache held of {', '.join(damaged)} was damaged, and has been removed"
            if not stage.source:
                continue
        break
    if cause is not None:
        _note_failure(root, stage, before, cause)
    return cause


def _dvc(
    root: Path, stage: Stage, groups: ProcessGroups, timeout: float | None, logger: Any
) -> tuple[str | None, bool]:
    """One DVC process for ``stage``; the cause of its failure, and whether it took files from the cache."""
    # DVC's lock is held by every DVC process for moments: wait for it rather than fail.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock"]
    checkout = stage.source and stage.missing
    if checkout:
        command += ["checkout", stage.address]
    else:
        command += ["repro", "--single-item", stage.address]
    output: deque[str] = deque(maxlen=KEPT_LINES)
    restored = checkout

    def keep(line: str) -> None:
        nonlocal restored
        if line.startswith(HINTS):
            return
        restored = restored or RESTORED in line
        output.append(line)
        logger.info("%s", line)

    before = read_record(root, stage)
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = None if deadline is None else deadline - time.monotonic()
        try:
            status = groups.run(command, root, stage_environment(), keep, left)
        except TimedOut:
            return f"ended because it ran longer than {timeout:g} s", restored
        if status == 0 or not any(BUSY in line for line in output):
            break
        # Another DVC process has the stage's files: one that looks at them for a moment, or one that runs it.
        logger.info("waiting for another DVC process")
        output.clear()
        time.sleep(BUSY_WAIT)
        release_dead_locks(root)
    if status == 0:
        return None, restored
    if stage.source:
        cause = f"{stage.name} is neither in its folder nor in DVC's cache: fetch it with 'dvc pull {stage.address}'"
        return cause, restored
    return explain(status, list(output), before, read_record(root, stage)), restored


def _name(stage: Stage) -> str:
    return stage.address if stage.source else stage.name


def read_record(root: Path, stage: Stage) -> RunRecord | None:
    """What the stage last wrote of itself; stages of no one subject keep no record."""
    return (
        None if stage.unit in (SHARED, PRIOR) else run_record.read(SubjectFolder.of(stage.unit, root).runs, stage.name)
    )


def _note_failure(root: Path, stage: Stage, before: RunRecord | None, cause: str) -> None:
    """Let ``erlnet status`` know of a failure of which the stage itself wrote nothing: it was DVC that failed."""
    record = read_record(root, stage)
    if stage.unit in (SHARED, PRIOR) or stage.source or (record and record.outcome == "running"):
        return
    if record and record != before and record.outcome != "done":
        return
    with contextlib.suppress(OSError):
        run_record.refuse(SubjectFolder.of(stage.unit, root).runs, stage.name, cause)
