"""evaluation.parquet: round trip, refused shapes, damaged files."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.evaluation import FORMAT, Evaluation, read_evaluation, write_evaluation
from tasks.artifacts.tables import write_table
from tasks.errors import DamagedArtifact, MissingInput


def made() -> Evaluation:
    rng = np.random.default_rng(0)
    methods = {name: rng.normal(size=(5, 3)).astype("f4") for name in ("self_driven", "mean_frame")}
    methods["mean_frame"][2, 1] = np.nan
    return Evaluation(np.arange(40, 45), ("psnr", "ssim", "lmd"), methods)


def test_round_trip(tmp_path: Path) -> None:
    path, evaluation = tmp_path / "e.parquet", made()
    write_evaluation(path, evaluation)
    back = read_evaluation(path)
    np.testing.assert_array_equal(back.frame, evaluation.frame)
    assert back.figures == evaluation.figures
    assert list(back.methods) == list(evaluation.methods)
    for name, values in evaluation.methods.items():
        np.testing.assert_array_equal(back.methods[name], values)
    np.testing.assert_array_equal(back.column("mean_frame", "ssim"), evaluation.methods["mean_frame"][:, 1])
    with pytest.raises(ValueError, match="tuple"):
        back.column("mean_frame", "nonsense")


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    evaluation = made()
    evaluation.methods["self_driven"] = np.zeros((5, 2), "f4")
    with pytest.raises(ValueError, match="self_driven has shape"):
        write_evaluation(tmp_path / "e.parquet", evaluation)


def test_damage(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    with pytest.raises(MissingInput, match="the evaluate stage"):
        read_evaluation(path)
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(DamagedArtifact):
        read_evaluation(path)
    write_table(path, FORMAT, {"frame": np.arange(3)}, {"figures": ["psnr"], "methods": ["a"]})
    with pytest.raises(DamagedArtifact, match="'a' is missing"):
        read_evaluation(path)
    write_table(path, FORMAT, {"frame": np.arange(3), "a": np.zeros((3, 2))}, {"figures": ["psnr"], "methods": ["a"]})
    with pytest.raises(DamagedArtifact, match="a has shape"):
        read_evaluation(path)
