"""The nerf stage on a scene drawn in closed form: how well it paints, what it writes, what it refuses."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from tasks.artifacts.atomic import atomic_path
from tasks.artifacts.curve import read_curve
from tasks.artifacts.flame import write_flame
from tasks.artifacts.layout import AssetFolder
from tasks.artifacts.masks import write_masks
from tasks.artifacts.nerf import read_nerf
from tasks.artifacts.torso import read_torso, write_torso
from tasks.errors import DamagedArtifact, MissingInput, StageFailed
from tasks.nerf import run
from tasks.portrait import Portrait
from tasks.preview import MARGIN, SIDE
from tasks.split import train_length
from tests.tasks.scene_training import QUICK, TINY, psnr


def test_held_out_frames_beat_the_trivial_baselines(trained_scene):
    folder, scene, metrics, head = trained_scene
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


def test_files_and_figures(trained_scene):
    folder, scene, metrics, _ = trained_scene
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


def test_ablations_are_named(scene_subject):
    folder, _ = scene_subject
    run(folder, dataclasses.replace(TINY, fusion=False, deform=False, shell=False))
    trained = read_nerf(folder.nerf)
    assert trained.parts["portrait"] == "DBF-NeRF without fusion, deform, shell (ablation)"
    assert not trained.network.config.fusion
    assert not trained.network.head.use_shell


def test_refusals_of_the_stage(scene_subject, tmp_path):
    folder, scene = scene_subject
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


def test_perceptual_patches_train_too(scene_subject, lpips_path):
    folder, _ = scene_subject
    target = AssetFolder.default().lpips
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lpips_path.read_bytes())
    metrics = run(folder, dataclasses.replace(TINY, perceptual_weight=0.05, perceptual_from=0.5))
    assert np.isfinite(metrics["train"]["psnr"])
    assert read_nerf(folder.nerf).parts["perceptual loss"] == "LPIPS v0.1 AlexNet on patches"
