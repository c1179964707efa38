"""``make server``: Prefect's server on PostgreSQL, with everything in it that the workers and the schedule need.

    python -m flows.server [--port 4200] [--database-port 4201] [--host 127.0.0.1]

Runs in the foreground; Ctrl-C ends the server and then the database.  PREFECT_SERVER_DATABASE_CONNECTION_URL names a
database that runs elsewhere; otherwise one is kept in ``.prefect/postgres``.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.server.postgres import Postgres
from flows.settings import load_settings
from tasks.artifacts.layout import repository_root
from tasks.errors import StageFailed

POOL = "erlnet"
STARTUP = 180.0  # seconds: the first start makes the tables
PROJECT = Path(__file__).resolve().parents[2]


def server_environment(database_url: str, home: Path) -> dict[str, str]:
    """Environment of ``prefect server start``."""
    environment = {
        **os.environ,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url,
        "PREFECT_HOME": str(home),
        # In memory, the default, a restart would forget who holds a slot and never give it back.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    environment.pop("PREFECT_API_URL", None)
    return environment


@contextlib.contextmanager
def serving(host: str, port: int, database_url: str, home: Path, output: Any = None) -> Iterator[str]:
    """Run the server for the body; yields the address of its API.  Raises StageFailed where it does not start."""
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    process = subprocess.Popen(
        command, env=server_environment(database_url, home), start_new_session=True, stdout=output, stderr=output
    )
    try:
        address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/api"
        deadline = time.monotonic() + STARTUP
        while not healthy(address):
            if process.poll() is not None:
                raise StageFailed(f"the Prefect server ended with status {process.returncode} while it started")
            if time.monotonic() > deadline:
                raise StageFailed(f"the Prefect server did not answer at {address} within {STARTUP:g} s")
            time.sleep(0.3)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def healthy(address: str) -> bool:
    """Whether a server answers at ``address``."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=3) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def furnish(address: str) -> None:
    """Make the pool, the limits of ``fleet.yaml`` and the deployments of ``prefect.yaml``; again changes nothing.

    Raises StageFailed with Prefect's last line.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: address}), get_client(sync_client=True) as client:
        with contextlib.suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        for resource, count in load_settings().fleet_slots.items():
            client.upsert_global_concurrency_limit_by_name(f"erlnet-{resource}", count)
    deploy(address)


def deploy(address: str) -> None:
    """``prefect deploy --all``.  Raises StageFailed with its last line."""
    environment = {**os.environ, "PREFECT_API_URL": address, "PREFECT_CLI_PROMPT": "false"}
    environment.pop("ERLNET_ROOT", None)  # else its value would be stored; each worker has its own
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    result = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = [line.strip() for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        raise StageFailed(f"'prefect deploy --all' failed: {lines[-1] if lines else 'without a word'}")


def serve(arguments: argparse.Namespace) -> None:
    """Start everything and wait for an interrupt, or for a termination, which takes the same way out."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = repository_root() / ".prefect"
    own = os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL")
    database = None if own else Postgres(home / "postgres", arguments.database_port)
    try:
        if database is not None:
            database.start()
        with serving(arguments.host, arguments.port, own or (database.url if database else ""), home) as address:
            furnish(address)
            print(f"the server is ready; on every machine: make worker PREFECT_API_URL={address}", flush=True)
            _watch(address)
    finally:
        if database is not None:
            database.stop()


def _watch(address: str) -> None:
    """Return never; raises StageFailed where the server has stopped answering, so that systemd starts all anew."""
    silent = 0
    while silent < 6:
        time.sleep(5.0)
        silent = 0 if healthy(address) else silent + 1
    raise StageFailed(f"the Prefect server at {address} does not answer any more")
