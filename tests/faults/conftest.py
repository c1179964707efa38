"""A prepared fleet to harm, and one Prefect server for those faults that leave the server alone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet, prefect_server, prepare
from tests.flows.toy import Toy


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fleet") / "checkout"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERLNET_ROOT", str(root))
        patch.setenv("DVC_SITE_CACHE_DIR", str(root.parent / "dvc-site"))
        prepare(root)
    return root


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prefect_server(tmp_path_factory.mktemp("prefect") / "home") as running:
        yield running.api


@pytest.fixture
def fleet(prepared: Path, tmp_path: Path) -> Iterator[Fleet]:
    root = tmp_path / "checkout"
    shutil.copytree(prepared, root, symlinks=True)
    fleet = Fleet(Toy(root))
    yield fleet
    fleet.close()
