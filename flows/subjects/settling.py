"""Waits until a Prefect server has written what it was told: it keeps events and task runs in memory for seconds.

Deleted a moment too early, a person's name would be written into the database after the search that found nothing.
"""

import time
from datetime import UTC, datetime
from uuid import uuid4

from flows import embedded_server
from flows.server.start import healthy
from tasks.errors import StageFailed

PATIENCE = 120.0  # seconds; a server writes every five, unless its machine has no time for it
POLL = 0.5  # seconds between two looks
MARK = "erlnet.removal"  # an event of ours, which names nobody


def settle() -> None:
    """Return when the server that is in use, if there is one, has written everything it has been told until now.

    Events are written in the order they come, so one of ours is sent and waited for.  Task runs are written by another
    part of the server, as often.  Raises StageFailed where the server is there and does not get to it.
    """
    from httpx import HTTPError
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

    address = PREFECT_API_URL.value() or embedded_server.address()
    if not address or not healthy(address):  # what a server that died had not written is gone with it
        return
    services = get_current_settings().server.services
    started = time.monotonic()
    mark = str(uuid4())
    event = {"id": mark, "event": MARK, "occurred": datetime.now(UTC).isoformat(),
             "resource": {"prefect.resource.id": MARK}}  # fmt: skip
    try:
        with temporary_settings({PREFECT_API_URL: address}), get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[event])
            while not _written(
                client.request("POST", "/events/filter", json={"filter": {"id": {"id": [mark]}}}).json()
            ):
                if time.monotonic() - started > PATIENCE:
                    raise StageFailed(
                        f"the Prefect server at {address} has not written an event in {PATIENCE:g} s: look at its log, "
                        "then run the same command again"
                    )
                time.sleep(POLL)
    except HTTPError as error:
        raise StageFailed(f"the Prefect server at {address} failed: {error}: run the same command again") from None
    least = max(services.task_run_recorder.flush_interval, services.event_persister.flush_interval) + 1.0
    time.sleep(max(0.0, started + least - time.monotonic()))


def _written(answer: dict[str, object]) -> bool:
    return bool(answer["events"])
