"""The nerf stage and the portrait on a scene drawn in closed form."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from models.nerf.training import Trainer
from tasks import nerf, stage
from tasks.artifacts.atomic import atomic_path
from tasks.artifacts.checkpoint import Checkpoint, fingerprint, read_checkpoint, write_checkpoint
from tasks.artifacts.curve import read_curve
from tasks.artifacts.flame import write_flame
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.masks import write_masks
from tasks.artifacts.nerf import read_nerf
from tasks.artifacts.torso import read_torso, write_torso
from tasks.errors import BadInput, DamagedArtifact, MissingInput, StageFailed
from tasks.nerf import NerfParams, run
from tasks.portrait import Portrait, View
from tasks.preview import MARGIN, SIDE
from tasks.scoring.training import decibels
from tasks.split import train_length
from tests.nerf_scene import ellipsoid_head, make_scene, write_subject

PROJECT = Path(__file__).resolve().parents[2]
QUICK = NerfParams(
    steps=120,
    frames=8,
    head_rays=96,
    other_rays=48,
    head_resolution=64,
    static_resolution=64,
    perceptual_weight=0.0,
    network_rate=5e-3,
    measured=4,
)
TINY = dataclasses.replace(QUICK, steps=12, frames=4, head_rays=32, other_rays=16, measured=2)


@pytest.fixture
def subject(tmp_path, monkeypatch):
    """A fresh scene subject; returns (folder, scene)."""
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    scene = make_scene()
    write_subject(tmp_path, scene, ellipsoid_head())
    return SubjectFolder.of("scene"), scene


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder, scene, metrics, head path) of one full quick training, shared by the tests that only read."""
    root = tmp_path_factory.mktemp("nerf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERLNET_ROOT", str(root))
        scene = make_scene()
        write_subject(root, scene, ellipsoid_head())
        folder, head = SubjectFolder.of("scene"), AssetFolder.default().open_head
        return folder, scene, run(folder, QUICK), head


def psnr(a, b):
    return decibels(float(np.mean((a.astype(float) - b.astype(float)) ** 2) / 255**2))


def test_held_out_frames_beat_the_trivial_baselines(trained):
    folder, scene, metrics, head = trained
    split = train_length(len(scene.sequence))
    pictures = list(Portrait.load(folder.nerf, head).render(scene.sequence.slice(split, len(scene.sequence))))
    held = scene.colours[split:]
    ours = np.mean([psnr(a, b) for a, b in zip(pictures, held, strict=True)])
    mean = scene.colours[:split].mean(0)
    mean_frame = np.mean([psnr(mean, b) for b in held])
    # Stricter than any nearest frame by landmarks: the best training frame there is for each held-out one.
    best_frame = np.mean([max(psnr(a, b) for a in scene.colours[:split]) for b in held])
    assert ours > mean_frame + 5
    assert ours > best_frame + 2
    assert metrics["held_out"]["psnr"] == pytest.approx(ours, abs=1.5)


def test_the_picture_follows_expression_and_pose(trained):
    folder, scene, _, head = trained
    portrait = Portrait.load(folder.nerf, head)
    two = scene.sequence.slice(0, 2)
    two.expression = np.array([[-0.9, 0], [0.9, 0]], np.float32)
    two.global_rotation = np.zeros((2, 3), np.float32)
    two.translation = np.tile(scene.sequence.translation.mean(0), (2, 1))
    shut, open_ = (p.astype(float) for p in portrait.render(two))
    change = np.abs(open_ - shut).sum(-1)
    size = portrait.image_size
    row, column = np.unravel_index(change.argmax(), change.shape)
    # The mouth lies 4.5 cm below the head's centre, which stands 3 cm above the picture's.
    expected = size / 2 - (0.03 - 0.045) / 0.8 * scene.sequence.focal
    assert abs(row - expected) < 0.06 * size
    assert abs(column - size / 2) < 0.12 * size
    two.expression = np.zeros((2, 2), np.float32)
    two.global_rotation = np.array([[0, -0.3, 0], [0, 0.3, 0]], np.float32)
    left, right = (p.astype(float) for p in portrait.render(two))
    assert np.abs(left - right).mean() > 2


def test_files_and_figures(trained):
    folder, scene, metrics, _ = trained
    stored = json.loads(folder.nerf_metrics.read_text())
    assert stored["held_out"]["psnr_face"] == metrics["held_out"]["psnr_face"]
    assert stored["parts"]["tracker"] == "closed form"
    assert stored["parts"]["perceptual loss"] == "none"
    curve = read_curve(folder.nerf_curve, "the nerf stage")
    assert list(curve)[:2] == ["step", "seconds"]
    assert curve["step"][-1] == QUICK.steps
    assert curve["psnr_held_out"][-1] > curve["psnr_held_out"][0] + 3
    assert list(folder.checkpoints.iterdir()) == []
    strip = cv2.imread(str(folder.nerf_preview))  # the recording and 5 to 8 looks at 1 picture of each part
    assert strip.shape[1] == MARGIN + 2 * SIDE
    assert strip.shape[0] % SIDE == 0
    assert 6 * SIDE <= strip.shape[0] <= 9 * SIDE
    own = strip[:, MARGIN : MARGIN + SIDE].astype(float).reshape(-1, SIDE, SIDE, 3)
    errors = np.abs(own[1:] - own[0]).mean((1, 2, 3))
    assert errors[-1] < errors[0]
    read = read_nerf(folder.nerf)
    assert read.network.config.image_size == scene.sequence.image_size
    assert read.training["steps"] == QUICK.steps


def test_equal_seeds_give_equal_weights_and_other_seeds_others(subject):
    folder, _ = subject
    run(folder, TINY)
    first = folder.nerf.read_bytes()
    run(folder, TINY)
    assert folder.nerf.read_bytes() == first
    run(folder, dataclasses.replace(TINY, seed=1))
    assert folder.nerf.read_bytes() != first


def test_a_killed_training_resumes_to_the_same_weights(subject, monkeypatch, capsys):
    folder, _ = subject
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


def test_a_checkpoint_of_other_inputs_is_not_used(tmp_path):
    data = tmp_path / "data"
    data.write_bytes(b"one")
    first = fingerprint({"steps": 3}, [data])
    path = tmp_path / "nerf.safetensors"
    write_checkpoint(path, Checkpoint(2, 1.5, [{"step": 2.0}], {"w": torch.arange(3.0)}), first)
    found = read_checkpoint(path, first)
    assert found is not None
    assert (found.step, found.seconds, found.curve) == (2, 1.5, [{"step": 2.0}])
    data.write_bytes(b"two")
    assert read_checkpoint(path, fingerprint({"steps": 3}, [data])) is None
    assert read_checkpoint(path, fingerprint({"steps": 4}, [data])) is None
    path.write_bytes(path.read_bytes()[:-5])
    assert read_checkpoint(path, first) is None
    assert read_checkpoint(tmp_path / "none", first) is None


def test_a_time_budget_ends_the_training(subject, monkeypatch):
    folder, _ = subject
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


def test_a_training_that_is_killed_outright_goes_on_from_its_checkpoint(subject, monkeypatch, capsys):
    folder, _ = subject
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
    first = []
    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self, i, share=None: (first.append(i), step(self, i, share))[1])
    run(folder, params)
    assert first[0] > 0
    assert first == list(range(first[0], 60))
    assert "nerf: resuming at step" in capsys.readouterr().out
    assert folder.nerf_preview.exists()
    # A kill in the middle of writing a checkpoint leaves a temporary file; it is nobody's resume point.
    assert not checkpoint.exists()
    assert NerfParams().checkpoint_seconds <= 45  # so that a kill costs less than a minute


def test_one_and_two_threads_give_the_same_figures(subject):
    """Sums are added up in another order: the weights differ in their last digits, the figures hardly."""
    folder, _ = subject
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


def test_ablations_are_named(subject):
    folder, _ = subject
    run(folder, dataclasses.replace(TINY, fusion=False, deform=False, shell=False))
    trained = read_nerf(folder.nerf)
    assert trained.parts["portrait"] == "DBF-NeRF without fusion, deform, shell (ablation)"
    assert not trained.network.config.fusion
    assert not trained.network.head.use_shell


def test_rows_that_are_not_usable_hold_the_last_usable_pose(trained):
    folder, scene, _, head = trained
    portrait = Portrait.load(folder.nerf, head)
    sequence = scene.sequence.slice(10, 16)
    sequence.expression = sequence.expression.copy()
    sequence.expression[[0, 3, 4]] = np.nan
    held = list(portrait.render(sequence))
    assert len(held) == 6
    full = list(portrait.render(scene.sequence.slice(10, 16)))
    assert np.array_equal(held[0], held[1])
    assert np.array_equal(held[3], held[2])
    assert np.array_equal(held[4], held[2])
    for row in (1, 2, 5):
        assert np.array_equal(held[row], full[row])
    assert not np.array_equal(full[4], full[2])


def test_a_render_of_another_size(trained):
    folder, scene, _, head = trained
    portrait = Portrait.load(folder.nerf, head)
    sequence = scene.sequence.slice(5, 6)
    [native], [double] = portrait.render(sequence), portrait.render(sequence, size=128)
    assert double.shape == (128, 128, 3)
    assert psnr(double.reshape(64, 2, 64, 2, 3).mean((1, 3)), native) > 28


def test_background_and_camera(trained):
    folder, scene, _, head = trained
    portrait = Portrait.load(folder.nerf, head)
    sequence = scene.sequence.slice(5, 6)
    [plain] = portrait.render(sequence)
    [clear] = portrait.render(sequence, view=View("transparent"))
    [blue] = portrait.render(sequence, view=View((0, 0, 255)))
    assert clear.shape == (64, 64, 4)
    middle, corner = (slice(24, 36), slice(26, 38)), (slice(0, 6), slice(0, 6))
    assert scene.labels[5][middle].min() == 3
    assert clear[middle][..., 3].mean() > 240
    assert clear[corner][..., 3].mean() < 15
    assert np.abs(clear[middle][..., :3].astype(int) - plain[middle]).mean() < 6
    assert np.abs(blue[corner].astype(int) - (0, 0, 255)).mean() < 12
    assert np.abs(blue[middle].astype(int) - plain[middle]).mean() < 6
    left, right = (next(portrait.render(sequence, view=View(yaw=yaw))).astype(int) for yaw in (-8, 8))
    assert np.abs(left - right)[middle].mean() > 3
    assert np.abs(left - right)[corner].mean() < 3  # the backdrop stays


def test_refusals_of_the_portrait(trained, tmp_path):
    folder, scene, _, head = trained
    portrait = Portrait.load(folder.nerf, head)
    sequence = scene.sequence.slice(0, 3)
    with pytest.raises(BadInput, match="too small"):
        portrait.render(sequence, size=4)
    with pytest.raises(BadInput, match="no frame"):
        portrait.render(scene.sequence.slice(0, 0))
    lost = scene.sequence.slice(0, 3)
    lost.expression = np.full_like(lost.expression, np.nan)
    with pytest.raises(BadInput, match="no frame of the FLAME sequence is usable"):
        portrait.render(lost)
    with pytest.raises(BadInput, match="belongs to the head model 'other'"):
        portrait.render(dataclasses.replace(sequence, head={"name": "other", "sha256": "1"}))
    with pytest.raises(BadInput, match="3 expression coefficients"):
        portrait.render(dataclasses.replace(sequence, expression=np.zeros((3, 3), np.float32)))
    with pytest.raises(MissingInput, match="the nerf stage"):
        Portrait.load(tmp_path / "nerf.safetensors", head)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(folder.nerf.read_bytes()[:-100])
    with pytest.raises(DamagedArtifact, match="torn"):
        Portrait.load(torn, head)
    from tasks.artifacts.head import write_head

    other = tmp_path / "head.safetensors"
    write_head(other, ellipsoid_head(rings=12), {"name": "ellipsoid"})
    with pytest.raises(StageFailed, match="another hash"):
        Portrait.load(folder.nerf, other)


def test_refusals_of_the_stage(subject, tmp_path):
    folder, scene = subject
    sequence = scene.sequence
    lost = dataclasses.replace(sequence, expression=sequence.expression.copy())
    lost.expression[5:40] = np.nan
    write_flame(folder.flame, lost)
    with pytest.raises(StageFailed, match="only 5 usable frames"):
        run(folder, TINY)
    write_flame(folder.flame, dataclasses.replace(sequence, head={"name": "other", "sha256": "1"}))
    with pytest.raises(DamagedArtifact, match="another head model"):
        run(folder, TINY)
    write_flame(folder.flame, sequence.slice(0, 43))
    with pytest.raises(DamagedArtifact, match=r"torso\.parquet.*44 frames, 43 were tracked"):
        run(folder, TINY)
    torso = read_torso(folder.torso)
    shorter = {name: getattr(torso, name)[:43] for name in ("frame", "motion", "residual", "visible")}
    write_torso(folder.torso, dataclasses.replace(torso, **shorter))
    with pytest.raises(DamagedArtifact, match="44 label maps for 43"):
        run(folder, TINY)
    write_torso(folder.torso, torso)
    write_flame(folder.flame, sequence)
    write_masks(folder.masks, scene.labels[:, :32, :32], {})
    with pytest.raises(DamagedArtifact, match="label map of shape"):
        run(folder, TINY)
    folder.masks.unlink()
    with pytest.raises(MissingInput, match="the parse stage"):
        run(folder, TINY)
    # A failed run leaves no artifact and no scratch file.
    assert not folder.nerf.exists()
    assert list(folder.checkpoints.iterdir()) == []
    with atomic_path(folder.background) as path:
        path.write_bytes(b"no picture")
    write_masks(folder.masks, scene.labels, {})
    with pytest.raises(DamagedArtifact, match="background"):
        run(folder, TINY)


def test_perceptual_patches_train_too(subject, lpips_path):
    folder, _ = subject
    target = AssetFolder.default().lpips
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lpips_path.read_bytes())
    metrics = run(folder, dataclasses.replace(TINY, perceptual_weight=0.05, perceptual_from=0.5))
    assert np.isfinite(metrics["train"]["psnr"])
    assert read_nerf(folder.nerf).parts["perceptual loss"] == "LPIPS v0.1 AlexNet on patches"
