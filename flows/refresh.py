"""Flow ``refresh``, on a schedule: takes in what is new in the inbox and brings every subject up to date."""

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from flows.bridge.runner import task_runner
from flows.events import HOOKS
from flows.fleet import open_fleet
from flows.gates import publish
from flows.inbox.taking import QUIET, take_in
from flows.outcome import one_line
from flows.repro import LIMIT, MOST, STAGE_TIMEOUT, Limit, Timeout, reproduce
from tasks.artifacts.layout import SubjectFolder, repository_root
from tasks.artifacts.subject import read_subject

Quiet = Annotated[float, Field(ge=0, description="seconds a file in the inbox must have been left alone")]


@flow(name="refresh", persist_result=False, task_runner=task_runner(MOST), **HOOKS)
@one_line
def refresh(limit: Limit = LIMIT, stage_timeout: Timeout = STAGE_TIMEOUT, quiet: Quiet = QUIET) -> None:
    """Onboard the videos of the inbox, then run every stale stage of every subject.

    A video that cannot be used is moved to ``rejected/`` of the inbox, one that fails the gates to ``quarantine/``,
    each with its reasons; neither fails the flow.  What the gates said is an artifact of the run.
    """
    logger = get_run_logger()
    with open_fleet(repository_root()) as fleet:
        taken = take_in(fleet, quiet)
        for subject in taken.subjects:
            logger.info("new subject %s", subject)
            publish(read_subject(SubjectFolder.of(subject, fleet.root).record))
        for name, record in taken.quarantined.items():
            logger.warning("%s quarantined as %s: %s", name, record.id, "; ".join(record.reasons))
            publish(record)
        for name, reason in taken.rejected.items():
            logger.warning("%s rejected: %s", name, reason)
        reproduce(fleet, None, limit, stage_timeout)
