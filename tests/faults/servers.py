"""A Prefect server of one's own, and workers: killed, started again, gone for good."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from flows.limits.leases import Leases
from flows.server.postgres import free_port, program
from flows.server.start import healthy
from tasks.errors import BadInput
from tests.faults.fleet import PATIENCE, Fleet, Server, wait_for
from tests.faults.suffering import HIT, Account, CannotInject, let_go, running, say
from tests.flows.machines import give_flows, worker
from tests.flows.toy import PROJECT

AWAY = 4.0  # seconds a command waits for its server, in place of two minutes
SLOTS = {"ERLNET_FLEET_SLOTS": '{"cpu": 1}'}  # of which the stage that runs holds the only one


class MadeServer:
    """``make server``: Prefect on PostgreSQL, in a folder of its own."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._ports = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}/api"

    def start(self) -> None:
        """Start it, at the same address and on the same data as before; return when it has everything it needs."""
        port, database_port = map(str, self._ports)
        command = [sys.executable, "-m", "flows.server", "--port", port, "--database-port", database_port]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "ERLNET"))}
        environment = {**kept, "ERLNET_ROOT": str(self._folder), "PYTHONPATH": str(PROJECT)}
        with (self._folder / "log.txt").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(lambda: b"the server is ready" in (self._folder / "log.txt").read_bytes() or self._ended())
        if self._ended():
            raise AssertionError(f"the server did not start: {(self._folder / 'log.txt').read_text()[-500:]}")

    def kill(self) -> None:
        """kill -9 of everything: ``make server``, Prefect, every process of PostgreSQL."""
        assert self._process is not None
        victims = [self._process, *psutil.Process(self._process.pid).children(recursive=True)]
        with contextlib.suppress(OSError):
            first = (self._folder / ".prefect" / "postgres" / "data" / "postmaster.pid").read_text().split()[0]
            database = psutil.Process(int(first))
            victims += [database, *database.children(recursive=True)]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in victims:
                with contextlib.suppress(psutil.Error, ProcessLookupError):
                    process.send_signal(number)
        self._process.wait()

    def stop(self) -> None:
        """As a service manager does."""
        if self._process is not None and not self._ended():
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=PATIENCE)

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


@contextlib.contextmanager
def made_server() -> Iterator[MadeServer]:
    """A running server on PostgreSQL, ended at the end."""
    try:
        program("postgres")
    except BadInput as error:
        raise CannotInject(str(error)) from None
    folder = Path(tempfile.mkdtemp(prefix="erlnet-made-server-"))
    folder.chmod(0o711)  # PostgreSQL of another user, where this runs as root
    server = MadeServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def server_stays_away(fleet: Fleet, account: Account) -> None:
    """The server dies while a stage runs and does not come back: the stage is finished, and the command ends."""
    server = Server(fleet.root.parent / "server")
    server.start()
    fleet.later.callback(server.kill)
    fleet.environment |= {"PREFECT_API_URL": server.api, "ERLNET_SERVER_PATIENCE": str(AWAY)}
    with running(fleet) as process:
        server.kill()
        account.lies += fleet.lies()
        time.sleep(AWAY + 4.0)
        if process.poll() is not None:
            account.left.append("the command did not wait for its stage")
        let_go(fleet)
        finished = time.monotonic()
        account.happened = say(fleet.end(process))
        seconds = time.monotonic() - finished
    if "has not answered for 4 s" not in account.happened or fleet.is_done("a:report"):
        account.left.append(f"the command did not notice: {account.happened}")
    account.happened += f" ({seconds:.0f} s after the stage that ran)"
    account.running = set()
    del fleet.environment["ERLNET_SERVER_PATIENCE"]
    server.start()


def kill_made_server(fleet: Fleet, account: Account) -> None:
    """The machine with server and database dies while a stage holds a slot of the fleet, and is started again."""
    server = fleet.later.enter_context(made_server())
    fleet.environment |= {"PREFECT_API_URL": server.api, **SLOTS}
    with running(fleet) as process:
        server.kill()
        account.lies += fleet.lies()
        server.start()
        wait_for(lambda: _in_use(server.api) == 1)
        if _can_take(server.api, fleet.root.parent / "another"):
            account.left.append("the slot of the stage that runs was given away")
        account.lies += fleet.lies()
        let_go(fleet)
        account.happened = f"server and PostgreSQL gone, started again with a slot held; {say(fleet.end(process))}"
    account.running = set()
    account.checks.append(lambda: [] if _in_use(server.api) == 0 else ["a slot is still in use"])


def server_stays_away_from_worker(fleet: Fleet, account: Account) -> None:
    """The same for a flow that a worker started: its process ends, the worker waits for the server."""
    with _worker_on(fleet, ERLNET_SERVER_PATIENCE=str(AWAY)) as (server, process):
        server.kill()
        account.lies += fleet.lies()
        time.sleep(AWAY + 10.0)
        if HIT not in fleet.stage_processes():
            account.left.append("the flow did not wait for its stage")
        let_go(fleet)
        wait_for(lambda: not fleet.stage_processes())
        finished = time.monotonic()
        wait_for(lambda: [one.pid for one in fleet.processes()] == [process.pid])
        account.happened = f"the flow ended {time.monotonic() - finished:.0f} s after its stage, the worker waits"
    if not fleet.is_done(HIT) or fleet.is_done("a:report"):
        account.left.append("not the stage that ran, and that alone, was finished")
    account.running = set()
    server.start()


def kill_worker(fleet: Fleet, account: Account) -> None:
    """The worker dies alone: the flow it had started notices, and ends its stage with all that belongs to it."""
    with _worker_on(fleet) as (_, process):
        process.kill()
        process.wait()
        account.lies += fleet.lies()
        wait_for(lambda: not fleet.processes())
    account.happened = "worker gone; its flow ended the stage, and itself"


def kill_worker_and_all(fleet: Fleet, account: Account) -> None:
    """The worker dies with everything it had started, as where a container is killed."""
    with _worker_on(fleet):
        account.lies += fleet.lies()
        fleet.kill_all()
    account.happened = "worker, flow, DVC and stage gone"


@contextlib.contextmanager
def _worker_on(fleet: Fleet, **settings: str) -> Iterator[tuple[MadeServer, "subprocess.Popen[bytes]"]]:
    """A server, and a worker of the checkout with HIT in the middle of its work for the deployment ``refresh``."""
    server = fleet.later.enter_context(made_server())
    fleet.environment |= {"PREFECT_API_URL": server.api, **SLOTS}
    give_flows(fleet.toy)
    fleet.toy.control(*HIT.split(":"), "wait")
    own = {name: fleet.environment[name] for name in ("DVC_SITE_CACHE_DIR", *SLOTS)}
    with worker(fleet.toy, server.api, **own, **settings) as process:
        run(server.api, "refresh/refresh")
        wait_for(lambda: HIT in fleet.stage_processes())
        yield server, process


def run(api: str, deployment: str) -> Any:
    """Ask for a run of a deployment; returns its id."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        return client.create_flow_run_from_deployment(client.read_deployment_by_name(deployment).id).id


def _in_use(api: str) -> int:
    """Slots of the fleet that the server holds to be in use; -1 where it does not answer."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if not healthy(api):
        return -1
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        return int(client.read_global_concurrency_limit_by_name("erlnet-cpu").active_slots)


def _can_take(api: str, folder: Path) -> bool:
    """Whether another machine gets the slot."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: api}):
        leases = Leases(folder)
        try:
            return leases.acquire("erlnet-cpu", 1) is not None
        finally:
            leases.close()
