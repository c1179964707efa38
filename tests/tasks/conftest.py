"""What several tests of the stages start from."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.layout import SubjectFolder
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
