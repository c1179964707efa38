"""One line that says why a stage failed: its own words rather than DVC's."""

import re
from collections.abc import Sequence
from pathlib import Path

from flows.bridge.graph import SHARED, Stage
from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder

_COMPLAINT = re.compile(r"^[a-z_]+: error: (?P<message>.+)$")
_DVC = re.compile(r"^(ERROR: failed to reproduce|Running stage |Stage '|> |WARNING: )")


def title(stage: Stage) -> str:
    """``crop of subject x``; the address where the stage belongs to no subject."""
    return stage.address if stage.unit == SHARED else f"{stage.name} of subject {stage.unit}"


def explain(root: Path, stage: Stage, status: int, output: Sequence[str], started: float) -> str:
    """The cause, from what the stage printed, else from its run record, else from DVC.

    output: the last lines it printed.  started: seconds since the epoch; an older record is of an earlier run.
    """
    for line in reversed(output):
        match = _COMPLAINT.match(line)
        if match:
            return match["message"]
    if stage.unit != SHARED:
        record = run_record.read(SubjectFolder.of(stage.unit, root).runs, stage.name)
        if record and record.outcome in ("failed", "killed") and record.started >= started - 1 and record.message:
            return record.message
    own = [line for line in output if line.strip() and not _DVC.match(line)]
    if own:
        return own[-1].removeprefix("ERROR: ")
    if status < 0:
        return f"ended by signal {-status}"
    return output[-1] if output else f"exit status {status} without a word"
