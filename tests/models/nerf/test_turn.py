"""A turned camera, against points in space that are turned and projected by hand; and the person cut out."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from test_network import small

from models.nerf.cutout import cut_out, without_holes
from models.nerf.rendering import render_picture, render_with_opacity
from models.nerf.torso.motion import inverse, matrices, moved, offsets
from models.nerf.turn import NECK, TORSO, turned

PIVOT = np.array([0.01, 0.03, -0.8])


@pytest.fixture
def scene():
    network, driving = small()
    network.pose_mean[-3:] = torch.tensor(PIVOT, dtype=torch.float32)
    return network, driving


def test_no_turn_is_no_change(scene):
    network, driving = scene
    assert turned(network, driving, 0, 0) is driving


def test_the_head_turns_about_its_usual_place(scene):
    network, driving = scene
    turn = turned(network, driving, 8, -4)
    # A camera further to the right sees the person turned to the picture's left; one further down, turned upwards.
    expected = Rotation.from_euler("x", -4, degrees=True) * Rotation.from_euler("y", -8, degrees=True)
    point = np.array([0.02, -0.04, 0.08])
    for row in range(len(driving)):
        before = driving.rotation[row].numpy() @ point + driving.translation[row].numpy()
        after = turn.rotation[row].numpy() @ point + turn.translation[row].numpy()
        np.testing.assert_allclose(after - PIVOT, expected.apply(before - PIVOT), atol=1e-6)
    nose = turn.rotation[0] @ driving.rotation[0].T @ torch.tensor([0.0, 0.0, 1.0])
    assert nose[0] < -0.1
    assert nose[1] > 0.05
    for name in ("displacement", "face", "pose"):
        assert torch.equal(getattr(turn, name), getattr(driving, name))


def test_the_torso_stays_with_the_head_at_the_neck(scene):
    network, driving = scene
    config, depth = network.config, float(network.static.depths[TORSO])
    scale = 2 * config.focal / config.image_size
    neck = np.array([PIVOT[0], PIVOT[1] - NECK, -depth])
    rotation = Rotation.from_euler("x", 5, degrees=True) * Rotation.from_euler("y", 9, degrees=True)

    def seen(point):
        return np.array([scale * point[0], -scale * point[1]]) / -point[2]

    turn = turned(network, driving, -9, 5)
    before = network.conditions(driving)[2]
    # The turn alone, the torso's own motion taken back.
    own = offsets(matrices(turn.torso[..., :3]) @ matrices(inverse(before[..., :3])))
    assert torch.equal(turn.torso[..., 3:], before[..., 3:])
    for offset, most in ((np.zeros(3), 1e-5), (np.array([0.02, 0.01, 0]), 2e-3), (np.array([0.1, -0.1, 0]), 0.05)):
        point = neck + offset
        expected = seen(rotation.apply(point - PIVOT) + PIVOT)
        place = torch.tensor(seen(point), dtype=torch.float32).expand(len(driving), 1, 2)
        found = moved(own, place)[:, 0].numpy()
        assert np.abs(found - expected).max() < most


def test_a_turned_picture_is_another_picture(scene):
    network, driving = scene
    one = driving.pick(torch.tensor([0]))
    with torch.no_grad():
        planes = network.planes()
        plain = render_picture(network, one, 32, planes)
        turn = render_picture(network, turned(network, one, 8, 0), 32, planes)
        values = render_with_opacity(network, one, 32, planes)
    assert (plain - turn).abs().mean() > 1e-3
    assert torch.equal(values[..., :3], plain)
    assert 0 <= float(values[..., 3].min()) <= float(values[..., 3].max()) <= 1


def test_cutting_out_gives_back_colour_and_alpha():
    colour = torch.tensor([0.8, 0.4, 0.2])
    opacity = torch.tensor([0.0, 0.04, 0.3, 0.5, 0.7, 0.9, 1.0])[:, None]
    cut = cut_out(torch.cat([colour * opacity, opacity], dim=1))
    torch.testing.assert_close(cut[2:, :3], colour.expand(5, 3))
    assert cut[:2].abs().max() == 0
    assert cut[5:, 3].tolist() == [1.0, 1.0]
    assert cut[3, 3] == pytest.approx(0.5)
    assert (cut[1:, 3].diff() >= 0).all()


def test_small_holes_inside_the_person_are_closed():
    picture = np.zeros((100, 100, 4), np.uint8)
    picture[20:80, 20:80] = (200, 100, 50, 255)
    picture[40:43, 40:43] = 0  # a gap at the collar
    picture[60:75, 60:75] = 0  # an opening that is one
    picture[20:24, 50:52] = 0  # a notch of the outline
    closed = without_holes(picture)
    assert closed[41, 41].tolist() == pytest.approx([200, 100, 50, 255], abs=2)
    assert closed[67, 67, 3] == 0
    assert closed[21, 51, 3] == 0
    assert closed[5, 5, 3] == 0
    assert without_holes(closed) is closed
