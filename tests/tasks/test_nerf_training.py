"""How a training of the nerf stage is lived with: seeds, kills, budgets of time, threads."""

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.nerf.training import Trainer
from tasks import nerf, stage
from tasks.artifacts.curve import read_curve
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.nerf import read_nerf
from tasks.nerf import NerfParams, run
from tasks.scoring.training import TrainingReport
from tests.tasks.scene_training import TINY

PROJECT = Path(__file__).resolve().parents[2]


def test_equal_seeds_give_equal_weights_and_other_seeds_others(scene_subject, capfd):
    folder, _ = scene_subject
    run(folder, TINY)
    assert "WARN" not in capfd.readouterr().err  # as OpenCV's of pictures that are no bytes
    first = folder.nerf.read_bytes()
    run(folder, TINY)
    assert folder.nerf.read_bytes() == first
    run(folder, dataclasses.replace(TINY, seed=1))
    assert folder.nerf.read_bytes() != first


def test_a_killed_training_resumes_to_the_same_weights(scene_subject, monkeypatch, capsys):
    folder, _ = scene_subject
    run(folder, TINY)
    whole = read_nerf(folder.nerf).network.state_dict()
    params = dataclasses.replace(TINY, checkpoint_seconds=0.0)
    step = Trainer.step

    def killed(self, index, share=None):
        if index == 7:
            raise KeyboardInterrupt
        return step(self, index, share)

    monkeypatch.setattr(Trainer, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(folder, params)
    monkeypatch.setattr(Trainer, "step", step)
    assert [p.name for p in folder.checkpoints.iterdir()] == ["nerf.safetensors"]
    run(folder, params)
    assert "resuming at step 7 of 12" in capsys.readouterr().out
    resumed = read_nerf(folder.nerf).network.state_dict()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-5, atol=1e-6)
    assert len(read_curve(folder.nerf_curve, "")["step"]) == 12
    assert list(folder.checkpoints.iterdir()) == []


def test_a_time_budget_ends_the_training(scene_subject, monkeypatch):
    folder, _ = scene_subject
    budget = 0.02
    # By a clock of its own: every step takes 0.1 s, however busy the machine.
    now = [0.0]
    monkeypatch.setattr(nerf, "time", SimpleNamespace(monotonic=lambda: now[0]))
    step, shares = Trainer.step, []

    def counted(self, index, share=None):
        now[0] += 0.1
        shares.append(share)
        return step(self, index, share)

    monkeypatch.setattr(Trainer, "step", counted)
    metrics = run(folder, dataclasses.replace(TINY, steps=100_000, minutes=budget))
    assert metrics["steps"] == 12
    assert metrics["seconds"] == pytest.approx(1.2)
    np.testing.assert_allclose(shares, np.arange(12) / 12, atol=1e-9)  # the schedule is walked by the clock
    curve = read_curve(folder.nerf_curve, "")
    assert len(curve["step"]) == 12  # looked at as often as a training by steps


def test_looks_at_a_training_with_a_time_budget_take_little_of_it(scene_subject, monkeypatch):
    folder, _ = scene_subject
    now = [0.0]
    monkeypatch.setattr(nerf, "time", SimpleNamespace(monotonic=lambda: now[0]))
    step, glance, looks = Trainer.step, TrainingReport.glance, []

    def slow_step(self, index, share=None):
        now[0] += 0.1
        return step(self, index, share)

    def slow_glance(self):
        now[0] += 0.04
        looks.append(now[0])
        return glance(self)

    monkeypatch.setattr(Trainer, "step", slow_step)
    monkeypatch.setattr(TrainingReport, "glance", slow_glance)
    run(folder, dataclasses.replace(TINY, steps=100_000, minutes=0.02))
    assert now[0] == pytest.approx(1.2 + 0.04 * len(looks))  # 12 steps; a look at each would take 0.48 s
    assert 2 <= len(looks) <= 5
    assert looks[-1] == now[0]  # the end is always looked at
    looks.clear()
    run(folder, TINY)
    assert len(looks) == TINY.steps  # the curve of a training by steps does not depend on the machine


def test_minutes_on_the_command_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    SubjectFolder.of("anna").root.mkdir(parents=True)
    seen = []

    def main(*arguments):
        given = ["--subject", "anna", "--profile", "demo", *arguments]
        return stage.main("nerf", NerfParams, lambda folder, params: seen.append(params), given, options=("minutes",))

    # The stage's own description is taken from the module that ``run`` comes from: here, this one.
    assert main() == main("--minutes", "2.5") == 0
    assert [params.minutes for params in seen] == [0.0, 2.5]
    assert seen[0] == dataclasses.replace(seen[1], minutes=0.0)
    assert main("--minutes=-1") == 2
    assert "nerf.minutes: Input should be greater than or equal to 0" in capsys.readouterr().err


def test_a_training_that_is_killed_outright_goes_on_from_its_checkpoint(scene_subject, monkeypatch, capsys):
    folder, _ = scene_subject
    params = dataclasses.replace(TINY, steps=60, checkpoint_seconds=0.0)
    arguments = {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}
    program = (
        "from tasks.artifacts.layout import SubjectFolder\n"
        "from tasks.nerf import NerfParams, run\n"
        f"run(SubjectFolder.of('scene'), NerfParams(**{arguments!r}))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.DEVNULL)
    checkpoint = folder.checkpoints / "nerf.safetensors"
    try:
        while not checkpoint.exists():
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    if folder.nerf.exists():
        pytest.skip("the machine slept through the whole training")
    # A kill in the middle of writing a checkpoint leaves this; it is nobody's resume point and is removed.
    (folder.checkpoints / "nerf.tmp-0123abcd.safetensors").write_bytes(b"half")
    first = []
    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self, i, share=None: (first.append(i), step(self, i, share))[1])
    run(folder, params)
    assert first[0] > 0
    assert first == list(range(first[0], 60))
    assert "nerf: resuming at step" in capsys.readouterr().out
    assert folder.nerf_preview.exists()
    assert list(folder.checkpoints.iterdir()) == []
    assert NerfParams().checkpoint_seconds <= 45  # so that a kill costs less than a minute


def test_one_and_two_threads_give_the_same_figures(scene_subject):
    """Sums are added up in another order: the weights differ in their last digits, the figures hardly."""
    folder, _ = scene_subject
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(run(folder, TINY))
    finally:
        torch.set_num_threads(threads)
    for part in ("train", "held_out"):
        for name in ("psnr", "psnr_face", "psnr_person"):
            assert found[0][part][name] == pytest.approx(found[1][part][name], abs=0.05)
