"""Flow ``onboard``: a person's video becomes a subject, and every stage of it is run."""

from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.bridge.planner import Target
from flows.bridge.runner import task_runner
from flows.events import HOOKS
from flows.fleet import open_fleet
from flows.gates import Quarantined, publish
from flows.onboarding import Request
from flows.outcome import one_line
from flows.repro import LIMIT, MOST, STAGE_TIMEOUT, Limit, Timeout, reproduce
from tasks.artifacts.layout import SUBJECT_ID, SubjectFolder, repository_root
from tasks.artifacts.subject import read_subject

SubjectId = Annotated[str, Field(pattern=f"^{SUBJECT_ID.pattern}$", description="id of the subject")]
Statement = Annotated[str, Field(min_length=1, max_length=2000, description="why this likeness may be used")]
StyleLabel = Annotated[str, Field(min_length=1, max_length=64, description="label of the speaking style")]
Profile = Annotated[str, Field(pattern=r"^[a-z0-9_]+$", description="profile of params.yaml")]


@flow(name="onboard", flow_run_name="onboard-{subject}", persist_result=False, task_runner=task_runner(MOST), **HOOKS)
@one_line
def onboard(
    video: Path,
    subject: SubjectId,
    consent: Statement,
    style: StyleLabel = "neutral",
    profile: Profile = "cpu",
    force: bool = False,
    limit: Limit = LIMIT,
    stage_timeout: Timeout = STAGE_TIMEOUT,
) -> None:
    """Register ``video`` as ``subject`` and run what is stale; the same request again resumes.

    A video that fails the gates ends the flow in state Quarantined; ``force`` goes on all the same.  What every gate
    said is an artifact of the run.
    """
    with open_fleet(repository_root()) as fleet:
        try:
            fleet.register(Request(video, subject, consent, style, profile, force))
        except Quarantined as error:
            publish(error.record)
            raise
        publish(read_subject(SubjectFolder.of(subject, fleet.root).record))
        reproduce(fleet, [Target(subject)], limit, stage_timeout)
