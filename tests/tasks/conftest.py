"""What several tests of the stages start from."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.ingest.source import SourceVideo
from tasks.ingest.upright import Upright


@pytest.fixture
def folder(tmp_path: Path) -> SubjectFolder:
    """An empty subject's folder."""
    made = SubjectFolder.of("someone", tmp_path)
    made.root.mkdir(parents=True)
    return made


@pytest.fixture(scope="session")
def face(sample_clip: Path) -> np.ndarray:
    """A picture with one face, uint8 [240, 320, 3]."""
    with SourceVideo(sample_clip) as source:
        return Upright(source.facts, (320, 240))(next(source.frames())[1])


@pytest.fixture
def scene_subject(tmp_path, monkeypatch):
    """A fresh subject of the scene drawn in closed form: (folder, scene)."""
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    return _scene_in(tmp_path)


@pytest.fixture(scope="session")
def trained_scene(tmp_path_factory):
    """(folder, scene, metrics, head path) of one quick training on it, shared by the tests that only read."""
    from tasks.nerf import run
    from tests.tasks.scene_training import QUICK

    root = tmp_path_factory.mktemp("nerf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERLNET_ROOT", str(root))
        folder, scene = _scene_in(root)
        return folder, scene, run(folder, QUICK), AssetFolder.default().open_head


def _scene_in(root):
    from tests.nerf_scene import ellipsoid_head, make_scene, write_subject

    scene = make_scene()
    write_subject(root, scene, ellipsoid_head())
    return SubjectFolder.of("scene"), scene
