"""One line that says why a stage failed: its own words rather than DVC's."""

import errno
import os
import re
from collections.abc import Sequence

from flows.bridge.graph import SHARED, Stage
from tasks.artifacts.run_record import RunRecord
from tasks.stage import explain_os_error

_COMPLAINT = re.compile(r"^[a-z_]+: error: (?P<message>.+)$")
# What DVC says of a machine that refused it something; the stage may have been done by then.
_MACHINE = {os.strerror(number): number for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)}
_DVC = re.compile(r"^(ERROR: failed to reproduce|Running stage |Stage '|> |WARNING: )")


def title(stage: Stage) -> str:
    """``crop of subject x``; the address where the stage belongs to no subject."""
    return stage.address if stage.unit == SHARED else f"{stage.name} of subject {stage.unit}"


def explain(status: int, output: Sequence[str], before: RunRecord | None, after: RunRecord | None) -> str:
    """The cause, from what the stage printed, else from its run record, else from DVC.

    output: the last lines it printed.  before, after: the stage's run record when it was started and when it had ended;
    the same record is of an earlier run.
    """
    for line in reversed(output):
        match = _COMPLAINT.match(line)
        if match:
            return match["message"]
    for line in output:
        for words, number in _MACHINE.items():
            if words in line:
                return explain_os_error(OSError(number, words))
    if after and after != before and after.outcome in ("failed", "killed") and after.message:
        return after.message
    if status < 0:
        return f"DVC was ended by signal {-status}"
    own = [line for line in output if line.strip() and not _DVC.match(line)]
    if own:
        return own[-1].removeprefix("ERROR: ")
    return output[-1] if output else f"exit status {status} without a word"
