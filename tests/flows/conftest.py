"""One Prefect server for all tests of the flows, with its database in a temporary folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Read when prefect is imported, which the modules under test do.
_HOME = tempfile.mkdtemp(prefix="erlnet-prefect-")
os.environ["PREFECT_HOME"] = _HOME
# A server writes what it holds every second, not every five, for those who wait for that.
for _service in ("EVENT_PERSISTER", "TASK_RUN_RECORDER"):
    os.environ[f"PREFECT_SERVER_SERVICES_{_service}_FLUSH_INTERVAL"] = "1"
os.environ.pop("PREFECT_API_URL", None)

from tests.flows.machines import make_clones, s3_server  # noqa: E402
from tests.flows.toy import Toy, build  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _remove_prefect_home() -> Iterator[None]:
    yield
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def _toy_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toy")
    build(root)
    return root


@pytest.fixture
def toy(_toy_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A fresh small checkout, which is the repository root for the code under test and for the stages."""
    root = tmp_path / "checkout"
    shutil.copytree(_toy_template, root)
    monkeypatch.setenv("ERLNET_ROOT", str(root))
    return Toy(root)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A temporary Prefect server; starting it takes some ten seconds, so there is one."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def clones(_toy_template: Path, tmp_path: Path) -> tuple[Toy, Toy]:
    """Two checkouts with a common origin; neither has data."""
    one, two = make_clones(_toy_template, tmp_path, ["one", "two"])
    return one, two


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Address of an S3 server with the bucket ``erlnet``."""
    with s3_server() as address:
        yield address
