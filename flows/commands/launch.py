"""Running a flow or a task from the command line: parameters, the embedded server, and how it ended."""

import logging
import signal
import subprocess
import sys
from typing import Any

from tasks.artifacts.layout import repository_root
from tasks.errors import BadInput


def run_flow(flow: Any, parameters: dict[str, Any], limit: int | None = None) -> None:
    """Run ``flow`` to its end.  Raises BadInput or TaskError with its one line where it does not complete."""
    from prefect.exceptions import ParameterTypeError

    from flows.outcome import raise_unless_completed

    _start_server()
    # It comes at the interpreter's exit, after our own last word, which should stay the last.
    logging.getLogger("prefect").addFilter(lambda record: "Stopping temporary server" not in record.getMessage())
    if limit is not None:
        parameters = {**parameters, "limit": limit}
    try:
        state = flow(**parameters, return_state=True)
    except ParameterTypeError as error:
        raise BadInput(" ".join(str(error).split())) from None
    raise_unless_completed(state)


def _start_server() -> None:
    """Start the embedded server, unless there is one to talk to, out of reach of the terminal's Ctrl-C.

    Left to itself Prefect starts it as a child that gets the same interrupt; the flow then cannot report its end, and
    tries to for minutes.  A child keeps the signals that were blocked when it was started.  It is terminated when this
    process ends.
    """
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        SubprocessASGIServer().start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


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
