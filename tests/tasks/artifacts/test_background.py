"""background.png: round trip, damage."""

import numpy as np
import pytest

from tasks.artifacts.background import read_background, write_background
from tasks.errors import DamagedArtifact, MissingInput


def test_round_trip(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    write_background(tmp_path / "background.png", picture)
    assert np.array_equal(read_background(tmp_path / "background.png"), picture)


def test_only_rgb_is_written(tmp_path):
    with pytest.raises(ValueError, match="not an RGB picture"):
        write_background(tmp_path / "background.png", np.zeros((4, 4), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_missing_and_damaged(tmp_path):
    path = tmp_path / "background.png"
    with pytest.raises(MissingInput, match="the parse stage"):
        read_background(path)
    for data in (b"", b"nonsense"):
        path.write_bytes(data)
        with pytest.raises(DamagedArtifact, match="not an RGB PNG"):
            read_background(path)
