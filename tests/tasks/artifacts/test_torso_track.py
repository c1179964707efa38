"""torso.parquet: round trip and damage."""

from pathlib import Path

import numpy as np
import pytest

from models.nerf.torso.motion import COEFFICIENTS
from tasks.artifacts.torso import TorsoTrack, read_torso, write_torso
from tasks.errors import DamagedArtifact, MissingInput


def made(frames: int = 7) -> TorsoTrack:
    rng = np.random.default_rng(0)
    motion = rng.normal(size=(frames, 2, COEFFICIENTS)).astype(np.float32)
    motion[2] = np.nan
    shares = rng.uniform(size=(2, frames)).astype(np.float32)
    return TorsoTrack(np.arange(frames), motion, shares[0], shares[1], "a method")


def test_round_trip(tmp_path: Path):
    track = made()
    write_torso(tmp_path / "torso.parquet", track)
    read = read_torso(tmp_path / "torso.parquet")
    for name in ("frame", "motion", "residual", "visible"):
        np.testing.assert_array_equal(getattr(read, name), getattr(track, name))
    assert read.method == "a method"
    assert read.found.tolist() == [True, True, False, True, True, True, True]


def test_absent_and_damaged_files_are_named(tmp_path: Path):
    path = tmp_path / "torso.parquet"
    with pytest.raises(MissingInput, match="torso stage"):
        read_torso(path)
    write_torso(path, made())
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"PAR1" + content[9:]):
        path.write_bytes(damaged)
        with pytest.raises(DamagedArtifact, match=r"torso\.parquet"):
            read_torso(path)
