"""Flow ``animate``: let a subject say an audio file."""

import sys
from pathlib import Path
from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from flows.bridge.process import TimedOut
from flows.environment import stage_environment
from flows.events import HOOKS
from flows.fleet import open_fleet
from flows.onboard import SubjectId
from flows.outcome import one_line
from flows.repro import STAGE_TIMEOUT, Timeout
from tasks.artifacts.layout import repository_root
from tasks.errors import BadInput, StageFailed

Style = Annotated[str, Field(min_length=1, description="subject id, style label or video to take the style from")]


@flow(name="animate", flow_run_name="animate-{subject}", persist_result=False, **HOOKS)
@one_line
def animate(
    subject: SubjectId, audio: Path, out: Path, style: Style | None = None, timeout: Timeout = STAGE_TIMEOUT
) -> None:
    """Write ``out``, an MP4 of ``subject`` saying ``audio`` in ``style`` (the subject's own by default)."""
    root = repository_root()
    logger = get_run_logger()
    command = [sys.executable, "-m", "tasks.animate", "--subject", subject, "--audio", str(audio), "--out", str(out)]
    if style is not None:
        command += ["--style", style]
    last = ""

    def keep(line: str) -> None:
        nonlocal last
        last = line
        logger.info("%s", line)

    with open_fleet(root) as fleet:
        if fleet.sharing is not None:  # another machine may have made the subject
            fleet.sharing.fetch(subject)
        try:
            with fleet.slots.take(fleet.settings.needs("animate")):
                status = fleet.groups.run(command, root, stage_environment(), keep, timeout)
        except TimedOut:
            raise StageFailed(f"animate of subject {subject} failed: it ran longer than {timeout:g} s") from None
    cause = last.removeprefix("animate: error: ") or f"exit status {status}"
    if status == 2:
        raise BadInput(cause)
    if status != 0:
        raise StageFailed(f"animate of subject {subject} failed: {cause}")
