"""What DVC says of figures: two runs are told apart, and the plot of PSNR against time has its axes."""

import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows.pipeline import PipelineWriter
from tasks.artifacts.curve import write_curve
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.metrics import write_metrics

PROJECT = Path(__file__).resolve().parents[2]
REASON = "not measured (SyncNet weights absent)"


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> SubjectFolder:
    """A repository with the real pipeline file of a subject and the figures of a first run, committed."""
    git(tmp_path, "init", "-q")
    Repo.init(str(tmp_path)).close()
    folder = SubjectFolder.of("anna", tmp_path)
    folder.root.mkdir(parents=True)
    (tmp_path / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    folder.pipeline.write_text(PipelineWriter(PROJECT).render("anna", "demo"))
    write_metrics(folder.metrics, {"self_driven": {"psnr_face": 30.25, "lmd": 2.0, "lse_c": REASON}, "faces": 3})
    write_curve(folder.nerf_curve, [{"step": s, "seconds": 2.0 * s, "psnr_train": 20 + s} for s in range(4)])
    git(tmp_path, "add", "-A", "-f")
    git(tmp_path, "commit", "-qm", "first run")
    return folder


def test_metrics_diff_tells_two_runs_apart(folder: SubjectFolder) -> None:
    write_metrics(folder.metrics, {"self_driven": {"psnr_face": 31.5, "lmd": 2.0, "lse_c": 6.1}, "faces": 3})
    with Repo(str(folder.root.parents[2])) as repo:
        [(path, figures)] = repo.metrics.diff()["diff"].items()
    assert path.endswith("anna/metrics.json")
    changed = {name: change["new"] for name, change in figures.items() if change.get("diff") or "diff" not in change}
    assert changed == {"self_driven.psnr_face": 31.5, "self_driven.lse_c": 6.1}
    assert figures["self_driven.psnr_face"] == {"old": 30.25, "new": 31.5, "diff": 1.25}
    assert figures["self_driven.lse_c"]["old"] == REASON


def test_psnr_is_plotted_against_training_time(folder: SubjectFolder) -> None:
    with Repo(str(folder.root.parents[2])) as repo:
        shown = repo.plots.show()
    plots = shown["workspace"]["definitions"]["data"]["data/subjects/anna/dvc.yaml"]["data"]
    [plot] = plots.values()
    assert plot["x"] == "seconds"
    assert plot["y"] == {"data/subjects/anna/nerf_curve.csv": ["psnr_train", "psnr_held_out"]}
    rows = shown["workspace"]["sources"]["data"]["data/subjects/anna/nerf_curve.csv"]["data"]
    assert [float(row["seconds"]) for row in rows] == [0, 2, 4, 6]
