"""Flow ``clean-up``, on a schedule: removes old runs from Prefect's database, which would otherwise grow for ever."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from pydantic import Field

from flows.events import HOOKS
from flows.outcome import one_line
from flows.settings import load_settings

PAGE = 100
ENDED = [StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED]

KeepDays = Annotated[float, Field(gt=0, description="days a run that has ended is kept; fleet.yaml says by default")]


@flow(name="clean-up", persist_result=False, **HOOKS)
@one_line
def clean_up(keep_days: KeepDays | None = None) -> None:
    """Delete flow runs, with their task runs and logs, that ended more than ``keep_days`` ago."""
    before = datetime.now(UTC) - timedelta(days=keep_days or load_settings().keep_days)
    with get_client(sync_client=True) as client:
        count = remove_runs(client, before)
    get_run_logger().info("%d runs that ended before %s removed", count, before.isoformat(timespec="seconds"))


def remove_runs(client: SyncPrefectClient, before: datetime) -> int:
    """Delete every flow run that ended before ``before``; returns how many.  What has not ended stays."""
    moment: Any = before  # Prefect's type of times is a subclass of datetime's
    old = FlowRunFilter(
        end_time=FlowRunFilterEndTime(before_=moment),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=ENDED)),
    )
    count = 0
    while runs := client.read_flow_runs(flow_run_filter=old, limit=PAGE):
        for run in runs:
            try:
                client.delete_flow_run(run.id)
            except ObjectNotFound:  # somebody else cleans up as well
                continue
            count += 1
    return count
