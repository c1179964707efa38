"""Flow ``repro``: bring subjects up to date, stale stages only."""

from collections.abc import Sequence
from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from flows.bridge.planner import Plan, Target, make_plan, parse_targets
from flows.bridge.runner import Outcome, run_plan, task_runner
from flows.events import HOOKS
from flows.fleet import Fleet, open_fleet
from flows.outcome import one_line
from tasks.artifacts.layout import repository_root
from tasks.errors import StageFailed

# Two stages of one subject can run side by side, and each uses several cores while it trains.
LIMIT = 2
# A day: a stage that hangs must not block the schedule for ever; training on a CPU takes hours at most.
STAGE_TIMEOUT = 24 * 3600.0

MOST = 16  # threads of a flow, and so the largest limit

Limit = Annotated[int, Field(ge=1, le=MOST, description="stages that may run at once")]
Timeout = Annotated[float, Field(gt=0, description="seconds one stage may run")]


def reproduce(
    fleet: Fleet, targets: Sequence[Target] | None, limit: int = LIMIT, timeout: float = STAGE_TIMEOUT
) -> Outcome:
    """Plan ``targets`` (every subject and the shared stages where None), run that inside the calling flow, and report.

    Raises StageFailed, in one line, at the end.
    """
    logger = get_run_logger()
    fleet.begin()
    plan = make_plan(fleet.root, targets)
    logger.info("%d stages to run, %d subjects up to date", len(plan.stages), len(plan.up_to_date))
    outcome = run_plan(fleet, plan, limit, timeout)
    if fleet.watch is not None and fleet.watch.gone:
        raise StageFailed(fleet.watch.complaint)
    for message in [*outcome.messages, *fleet.unsent]:
        logger.error("%s", message)
    if outcome.failed or fleet.unsent or plan.broken:
        raise StageFailed(summary(plan, outcome, fleet.unsent))
    return outcome


def summary(plan: Plan, outcome: Outcome, unsent: Sequence[str] = ()) -> str:
    """The failures of a run in one line."""
    messages = outcome.messages + [f"subject {unit or 'shared stages'}: {why}" for unit, why in plan.broken.items()]
    messages += [f"finished here, but not sent: {why}" for why in unsent]
    text = messages[0]
    if len(messages) > 1:
        text += f" (and {len(messages) - 1} more: 'erlnet status' shows them)"
    return text


@flow(name="repro", persist_result=False, task_runner=task_runner(MOST), **HOOKS)
@one_line
def repro(targets: list[str] | None = None, limit: Limit = LIMIT, stage_timeout: Timeout = STAGE_TIMEOUT) -> None:
    """Run the stale stages of ``targets`` (``ID`` or ``ID:STAGE``; every subject and the shared stages by default).

    An unknown target ends it at once; where a stage fails, everything that does not need it is finished first.
    """
    root = repository_root()
    with open_fleet(root) as fleet:
        if fleet.sharing and targets:
            fleet.sharing.receive()  # a target may have been registered on another machine
        reproduce(fleet, parse_targets(root, targets) if targets else None, limit, stage_timeout)
