"""``runs/<stage>.json``: who is running a stage, or how its last run ended.

Not an artifact under DVC but the stage's diary: ``erlnet status`` reads it to tell *running* and *failed*
from *stale*, the report reads the times.  A record whose process is gone without an end was killed.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import psutil

from tasks.artifacts.atomic import write_text

Outcome = Literal["running", "done", "failed", "killed"]


@dataclass
class RunRecord:
    """started: seconds since the epoch; process tells a recycled pid from ours; peak_memory in bytes.

    clock: seconds of the monotonic clock at the start, for the process itself; not written.
    """

    stage: str
    outcome: Outcome
    pid: int
    process: str
    started: float
    seconds: float = 0.0
    peak_memory: int = 0
    message: str = ""
    clock: float = field(default=0.0, repr=False, compare=False)


def begin(folder: Path, stage: str) -> RunRecord:
    """Write and return the record of a run of this process that starts now."""
    record = RunRecord(stage, "running", os.getpid(), identity(os.getpid()) or "", time.time(), clock=time.monotonic())
    _write(folder, record)
    return record


def finish(folder: Path, record: RunRecord, outcome: Outcome, message: str = "") -> None:
    """Complete ``record`` and write it."""
    import resource

    record.outcome, record.message = outcome, message
    record.seconds = time.monotonic() - record.clock
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


def refuse(folder: Path, stage: str, message: str) -> None:
    """Write that ``stage`` failed before, or after, its own process could say so."""
    _write(folder, RunRecord(stage, "failed", os.getpid(), "", time.time(), message=message))


def identity(pid: int) -> str | None:
    """A name for the process that no other process ever has: which boot, and when in it the process began.

    Not the time of day it began at: that is reckoned from a clock that may be set while the process runs.  None where
    there is no such process, or only its entry is left because its parent has not collected it.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The 22nd field, counted after the name in brackets, which may hold spaces.
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        return f"{boot}:{ticks}"
    except psutil.Error:
        return None
    except OSError:  # no Linux
        return f"{process.create_time():.0f}" if process.is_running() else None


def _alive(record: RunRecord) -> bool:
    return identity(record.pid) == record.process


def _write(folder: Path, record: RunRecord) -> None:
    data = asdict(record)
    del data["clock"]
    write_text(folder / f"{record.stage}.json", json.dumps(data, indent=2) + "\n")
