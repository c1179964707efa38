"""Several machines on one: clones of the toy checkout with an origin between them, and an S3 server on the loopback."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flows.toy import Toy

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
