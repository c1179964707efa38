"""Running a flow or a task from the command line: parameters, the embedded server, and how it ended."""

import logging
import signal
import subprocess
import sys
from typing import Any

from flows import embedded_server
from tasks.artifacts.layout import repository_root
from tasks.errors import BadInput, TaskError


def run_flow(flow: Any, parameters: dict[str, Any], limit: int | None = None) -> None:
    """Run ``flow`` to its end.  Raises BadInput or TaskError with its one line where it does not complete."""
    from httpx import TransportError
    from prefect.exceptions import ParameterTypeError
    from prefect.settings import PREFECT_API_URL

    from flows.outcome import raise_unless_completed
    from flows.server.watch import watching
    from flows.settings import load_settings

    embedded_server.start()
    # It comes at the interpreter's exit, after our own last word, which should stay the last.
    logging.getLogger("prefect").addFilter(lambda record: "Stopping temporary server" not in record.getMessage())
    if limit is not None:
        parameters = {**parameters, "limit": limit}
    try:
        with watching(load_settings().server_patience):
            state = flow(**parameters, return_state=True)
    except ParameterTypeError as error:
        raise BadInput(" ".join(str(error).split())) from None
    except (TransportError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "reach API" not in str(error):
            raise
        where = PREFECT_API_URL.value() or "the embedded server's address"
        raise TaskError(
            f"no Prefect server answers at {where}: stages that have finished are kept; start the server and run again"
        ) from None
    raise_unless_completed(state)


def run_task(name: str, *arguments: str) -> int:
    """Run ``python -m tasks.<name>`` on this terminal, for its progress bar; returns its exit status.

    It says itself what went wrong, in one line.
    """
    from flows.environment import stage_environment

    command = [sys.executable, "-m", f"tasks.{name}", *arguments]
    process = subprocess.Popen(command, cwd=repository_root(), env=stage_environment())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
