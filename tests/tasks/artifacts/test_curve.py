"""Training curves: round trip and damage."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.curve import read_curve, write_curve
from tasks.errors import DamagedArtifact, MissingInput


def test_round_trip_with_gaps(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    write_curve(path, [{"step": 0, "loss": 1.5}, {"step": 100, "loss": 0.25, "psnr": 21.125}])
    back = read_curve(path, "x")
    assert list(back) == ["step", "loss", "psnr"]
    np.testing.assert_array_equal(back["loss"], [1.5, 0.25])
    np.testing.assert_array_equal(back["psnr"], [np.nan, 21.125])
    with pytest.raises(ValueError, match="at least one row"):
        write_curve(path, [])


@pytest.mark.parametrize("text", ["", "step,loss\n", "step,loss\n1\n", "step,loss\n1,abc\n"])
def test_damage(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(DamagedArtifact, match=r"c\.csv"):
        read_curve(path, "x")
    with pytest.raises(MissingInput, match="made by x"):
        read_curve(tmp_path / "none.csv", "x")
