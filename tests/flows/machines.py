"""Several machines on one: clones of the toy checkout with an origin between them, an S3 server, a Prefect server on
PostgreSQL, and workers, all on the loopback."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.flows.toy import PROJECT, Toy

IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@localhost"]


def git(root: Path, *arguments: str) -> str:
    command = ["git", *IDENTITY, *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def make_clones(template: Path, folder: Path, names: list[str]) -> list[Toy]:
    """Checkouts ``folder/NAME`` with the common origin ``folder/origin.git``; none has data."""
    first = folder / "template"
    shutil.copytree(template, first)
    git(first, "add", "--all")
    git(first, "commit", "--quiet", "--message", "a toy")
    git(folder, "clone", "--quiet", "--bare", str(first), "origin.git")
    shutil.rmtree(first)
    for name in names:
        git(folder, "clone", "--quiet", "origin.git", name)
    return [Toy(folder / name) for name in names]


@contextmanager
def s3_server() -> Iterator[str]:
    """Address of an S3 server with the bucket ``erlnet``; meanwhile the environment tells every S3 library of it."""
    server_module = pytest.importorskip("moto.server", reason="moto[server] is not installed: no S3 server")
    import boto3

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("NO_PROXY", "127.0.0.1")
        boto3.client("s3").create_bucket(Bucket="erlnet")
        yield os.environ["AWS_ENDPOINT_URL"]
    server.stop()


@contextmanager
def persistent_server() -> Iterator[str]:
    """Address of the API of a server on PostgreSQL with the pool and the deployments; skips where that is not here."""
    from flows.server.postgres import Postgres, free_port, program
    from flows.server.start import furnish, serving
    from tasks.errors import BadInput

    try:
        program("postgres")
    except BadInput as error:
        pytest.skip(str(error))
    # Not pytest's folder: where PostgreSQL runs as another user, that one must be able to reach it.
    folder = Path(tempfile.mkdtemp(prefix="erlnet-server-"))
    folder.chmod(0o711)
    database = Postgres(folder / "postgres", free_port())
    try:
        database.start()
        with (
            (folder / "server.log").open("w") as log,
            serving("127.0.0.1", free_port(), database.url, folder / "home", log) as address,
        ):
            furnish(address)
            yield address
    finally:
        database.stop()
        shutil.rmtree(folder, ignore_errors=True)


def give_flows(toy: Toy) -> None:
    """Put the project's flows into a toy checkout, as a worker's clone has them; its own template stays."""
    ignored = shutil.ignore_patterns("__pycache__", "templates")
    shutil.copytree(PROJECT / "flows", toy.root / "flows", ignore=ignored, dirs_exist_ok=True)


@contextmanager
def worker(toy: Toy, address: str, limit: int = 4, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker of the checkout for ``limit`` flows at once; its output goes to ``NAME-worker.log`` beside it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT", "PYTHONPATH"))}
    environment = {
        **kept,
        "PREFECT_API_URL": address,
        "PREFECT_HOME": str(toy.root / ".prefect"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "ERLNET_ROOT": str(toy.root),
        **settings,
    }
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "erlnet", "--limit", str(limit),
               "--name", toy.root.name]  # fmt: skip
    with (toy.root.parent / f"{toy.root.name}-worker.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=toy.root, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    """The first true value of ``condition``; fails where none comes."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.2)
    return value
