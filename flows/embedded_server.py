"""The Prefect server that a command starts for itself where there is none to talk to.

It lives and dies with its command: it is out of reach of the terminal's Ctrl-C, started again where it dies in the
middle of a flow, and ended by the next command where its own command was killed.
"""

import atexit
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import psutil

from tasks.artifacts.run_record import identity

OWNER = "ERLNET_SERVER_OF"  # in the server's environment: number and identity of the command that started it


def start() -> None:
    """Start the server, unless there is one to talk to; return when it answers."""
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    if PREFECT_API_URL.value():
        return
    _end_orphans(str(PREFECT_HOME.value()))
    os.environ[OWNER] = f"{os.getpid()} {identity(os.getpid())}"
    server = SubprocessASGIServer()
    with _interrupts_blocked():
        server.start()
    ending = threading.Event()
    threading.Thread(target=_keep, args=(server, ending), daemon=True, name="embedded server").start()
    atexit.register(ending.set)  # called before the server's own end, which was registered before


def _keep(server: Any, ending: threading.Event) -> None:
    """Start the server again, at the same address and on the same database, whenever it dies: clients try again."""
    while True:
        server.server_process.wait()
        if ending.wait(0.5):
            return
        with _interrupts_blocked():
            server.server_process = server._run_uvicorn_command()


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """What is started in here never sees a Ctrl-C: a child keeps the signals that were blocked when it was started.

    Left to itself the server gets the terminal's interrupt too; the flow then cannot report its end, and tries to for
    minutes.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def address() -> str | None:
    """The API of a server that another command started for itself on this database; None where there is none."""
    from prefect.settings import PREFECT_HOME

    for process, _ in _servers(str(PREFECT_HOME.value())):
        with contextlib.suppress(psutil.Error, ValueError, IndexError):
            words = process.cmdline()
            return f"http://127.0.0.1:{int(words[words.index('--port') + 1])}/api"
    return None


def _end_orphans(home: str) -> None:
    """End servers on this database whose command is gone: it was killed, and could not end them itself."""
    for process, alive in _servers(home):
        if not alive:
            with contextlib.suppress(psutil.Error):
                process.terminate()
                process.wait(timeout=5)


def _servers(home: str) -> Iterator[tuple[psutil.Process, bool]]:
    """Servers that commands started on this database, and whether that command still runs."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if not any("prefect.server.api.server" in word for word in process.cmdline()):
                continue
            environment = process.environ()
            pid, _, owner = environment.get(OWNER, "").partition(" ")
            if owner and environment.get("PREFECT_HOME") == home:
                yield process, identity(int(pid)) == owner
