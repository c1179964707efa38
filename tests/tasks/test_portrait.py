"""The portrait that the nerf stage trained on a scene drawn in closed form, rendered in every way there is."""

import dataclasses

import numpy as np
import pytest

from tasks.artifacts.head import write_head
from tasks.errors import BadInput, DamagedArtifact, MissingInput, StageFailed
from tasks.portrait import Portrait, View
from tests.nerf_scene import ellipsoid_head
from tests.tasks.scene_training import psnr


def test_the_picture_follows_expression_and_pose(trained_scene):
    folder, scene, _, head = trained_scene
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


def test_rows_that_are_not_usable_hold_the_last_usable_pose(trained_scene):
    folder, scene, _, head = trained_scene
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


def test_a_render_of_another_size(trained_scene):
    folder, scene, _, head = trained_scene
    portrait = Portrait.load(folder.nerf, head)
    sequence = scene.sequence.slice(5, 6)
    [native], [double] = portrait.render(sequence), portrait.render(sequence, size=128)
    assert double.shape == (128, 128, 3)
    assert psnr(double.reshape(64, 2, 64, 2, 3).mean((1, 3)), native) > 28


def test_background_and_camera(trained_scene):
    folder, scene, _, head = trained_scene
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


def test_refusals_of_the_portrait(trained_scene, tmp_path):
    folder, scene, _, head = trained_scene
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
    other = tmp_path / "head.safetensors"
    write_head(other, ellipsoid_head(rings=12), {"name": "ellipsoid"})
    with pytest.raises(StageFailed, match="another hash"):
        Portrait.load(folder.nerf, other)
