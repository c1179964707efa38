"""Tells a file and a webhook what happened: a stage failed, a subject is finished, a flow did not end well.

An event is one JSON object: ``time`` (UTC), ``kind``, ``machine``, ``flow_run`` (its id, where there is one), and what
belongs to the kind: ``subject``, ``stage``, ``flow``, ``message``.  Kinds: ``stage-failed``, ``subject-finished``,
``flow-failed``, ``flow-crashed``, ``flow-cancelled``.  Telling never fails a flow.
"""

import json
import logging
import os
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.settings import Settings, load_settings
from tasks.artifacts.layout import repository_root
from tasks.errors import TaskError

TIMEOUT = 5.0  # seconds the webhook has for an answer
PAUSES = (1.0,)  # seconds before it is tried again

logger = logging.getLogger(__name__)


def tell(settings: Settings, root: Path, kind: str, **facts: str) -> None:
    """Append the event to the file of the settings and post it to their webhook, where they name one."""
    if not settings.events and not settings.webhook:
        return
    event = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "kind": kind,
        "machine": os.uname().nodename,
        "flow_run": _flow_run(),
        **facts,
    }
    line = json.dumps(event, ensure_ascii=False) + "\n"
    if settings.events:
        try:
            path = root / settings.events
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab", buffering=0) as file:  # one write: lines of two processes do not mix
                file.write(line.encode())
        except OSError as error:
            logger.warning("event %s could not be written: %s", kind, error)
    if settings.webhook:
        _post(settings.webhook, line.encode(), kind)


def _post(url: str, body: bytes, kind: str) -> None:
    for pause in (*PAUSES, None):
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                return
        except (OSError, ValueError) as error:  # URLError is an OSError
            if pause is None:
                logger.warning("event %s could not be posted: %s", kind, error)
            else:
                time.sleep(pause)


def _flow_run() -> str:
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else ""


def flow_ended(flow: Any, flow_run: Any, state: Any) -> None:
    """Hook of every flow for the ways it can end badly; a worker runs it where the flow's process died."""
    try:
        settings = load_settings()
    except TaskError as error:
        logger.warning("%s", error)
        return
    tell(
        settings,
        repository_root(),
        f"flow-{state.type.value.lower()}",
        flow=str(flow.name),
        flow_run=str(flow_run.id),
        message=str(state.message or ""),
    )


HOOKS: dict[str, Any] = {
    "on_failure": [flow_ended],
    "on_crashed": [flow_ended],
    "on_cancellation": [flow_ended],
}
