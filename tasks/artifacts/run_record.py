"""``runs/<stage>.json``: who is running a stage, or how its last run ended.

Not an artifact under DVC but the stage's diary: ``erlnet status`` reads it to tell *running* and *failed*
from *stale*, the report reads the times.  A record whose process is gone without an end was killed.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil

from tasks.artifacts.atomic import write_text

Outcome = Literal["running", "done", "failed", "killed"]


@dataclass
class RunRecord:
    """started: seconds since the epoch; process_started tells a recycled pid from ours; peak_memory in bytes."""

    stage: str
    outcome: Outcome
    pid: int
    process_started: float
    started: float
    seconds: float = 0.0
    peak_memory: int = 0
    message: str = ""


def begin(folder: Path, stage: str) -> RunRecord:
    """Write and return the record of a run of this process that starts now."""
    process = psutil.Process()
    record = RunRecord(stage, "running", os.getpid(), process.create_time(), time.time())
    _write(folder, record)
    return record


def finish(folder: Path, record: RunRecord, outcome: Outcome, message: str = "") -> None:
    """Complete ``record`` and write it."""
    import resource

    record.outcome, record.message = outcome, message
    record.seconds = time.time() - record.started
    record.peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    _write(folder, record)


def read(folder: Path, stage: str) -> RunRecord | None:
    """The last record of ``stage``, or None; ``running`` becomes ``killed`` where the process is gone."""
    try:
        record = RunRecord(**json.loads((folder / f"{stage}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if record.outcome == "running" and not _alive(record):
        record.outcome, record.message = "killed", "the process ended without a word (killed, or out of memory)"
    return record


def _alive(record: RunRecord) -> bool:
    try:
        process = psutil.Process(record.pid)
        ours = abs(process.create_time() - record.process_started) < 1.0
        return ours and process.status() != psutil.STATUS_ZOMBIE  # killed, but its parent has not collected it
    except psutil.Error:
        return False


def _write(folder: Path, record: RunRecord) -> None:
    write_text(folder / f"{record.stage}.json", json.dumps(asdict(record), indent=2) + "\n")
