"""dvc.yaml of the repository root says what its stages really depend on and make."""

import hashlib

import pytest
import yaml

from flows.closure import import_closure
from tasks.artifacts.layout import repository_root
from tasks.assets import read_manifest


@pytest.fixture(scope="module")
def stages():
    return yaml.safe_load((repository_root() / "dvc.yaml").read_text())["stages"]


def test_code_deps_are_the_import_closure(stages):
    root = repository_root()
    assert stages["assets"]["do"]["deps"] == import_closure(root, "tasks.assets")
    assert stages["head"]["deps"] == import_closure(root, "tasks.head")


def test_outs_are_those_of_the_manifest(stages):
    manifest = read_manifest()
    assert stages["assets"]["foreach"] == {name: manifest.fetched[name].file for name in ("moonshine", "lpips")}
    [head] = stages["head"]["outs"]
    assert head == f"data/assets/{manifest.built['head'].file}"


def test_an_asset_depends_on_its_own_checksum_only(stages):
    assert stages["assets"]["do"]["params"] == [{"data/assets/manifest.yaml": ["fetched.${key}.sha256"]}]


def test_the_committed_lock_fits_the_committed_code():
    """A clone whose lock is behind its code would change dvc.lock on the first run, and so dirty the checkout."""
    root = repository_root()
    stages = yaml.safe_load((root / "dvc.lock").read_text())["stages"]
    behind = [
        f"{name}: {dep['path']}"
        for name, stage in stages.items()
        for dep in stage["deps"]
        if hashlib.md5((root / dep["path"]).read_bytes(), usedforsecurity=False).hexdigest() != dep["md5"]
    ]
    assert behind == [], "run 'dvc repro' in the root and commit dvc.lock"
    assert list(stages) == sorted(stages), "run 'erlnet repro', which sorts the lock, and commit dvc.lock"
