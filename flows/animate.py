"""Flow ``animate``: let a subject say an audio file."""

import sys
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from flows.bridge.process import TimedOut
from flows.environment import as_options, stage_environment
from flows.events import HOOKS
from flows.fleet import open_fleet
from flows.onboard import SubjectId
from flows.outcome import one_line
from flows.repro import STAGE_TIMEOUT, Timeout
from tasks.artifacts.layout import repository_root
from tasks.errors import BadInput, StageFailed

Style = Annotated[str, Field(min_length=1, description="subject id, style label or video to take the style from")]

Blend = Annotated[float, Field(ge=0, le=1, description="share of the second of two styles")]
Strength = Annotated[float, Field(ge=0, le=2, description="of the style: 0 none, 1 as it is, 2 exaggerated")]
Emphasis = Annotated[float, Field(ge=0, le=1, description="how much livelier loud stretches are")]


@flow(name="animate", flow_run_name="animate-{subject}", persist_result=False, **HOOKS)
@one_line
def animate(
    subject: SubjectId,
    out: Path,
    audio: Path | None = None,
    drive: Path | None = None,
    redub: Path | None = None,
    style: Style | list[Style] | None = None,
    blend: Blend | None = None,
    strength: Strength | None = None,
    emphasis: Emphasis | None = None,
    size: int | None = None,
    background: str | None = None,
    turn: str | None = None,
    timeout: Timeout = STAGE_TIMEOUT,
) -> None:
    """Write ``out``, an MP4 or WebM of ``subject``; what the options mean, and what fits together: tasks/animate.py.

    ``subject`` says ``audio`` in ``style`` (its own by default), or does what the person in the video ``drive`` does,
    or says ``redub`` in its own video.
    """
    root = repository_root()
    logger = get_run_logger()
    wanted: dict[str, Any] = {"audio": audio, "drive": drive, "redub": redub, "style": style}
    wanted |= {"blend": blend, "strength": strength, "emphasis": emphasis}
    wanted |= {"size": size, "background": background, "turn": turn}
    command = [sys.executable, "-m", "tasks.animate", f"--subject={subject}", f"--out={out}", *as_options(wanted)]
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
