"""The height field of the head and where rays meet it, against the ellipsoid's closed form."""

import numpy as np
import pytest
import torch

from models.nerf.driving import FlameArrays, driving_of, person_front_map
from models.nerf.front_map import build_front_map, meet_surface
from models.nerf.planes import lookup
from tests.nerf_scene import RADII, ellipsoid_head, make_scene


@pytest.fixture(scope="module")
def front():
    return person_front_map(ellipsoid_head(48, 64), np.zeros(2, np.float32), 96)


def test_height_is_the_front_of_the_ellipsoid(front):
    x = (np.arange(96) + 0.5) / 48 - 1
    xs, ys = np.meshgrid(x * float(front.half[0]), x * float(front.half[1]))
    under = 1 - (xs / RADII[0]) ** 2 - (ys / RADII[1]) ** 2
    inner = under > 0.2
    expected = RADII[2] * np.sqrt(np.maximum(under, 0))
    assert np.abs(front.height.numpy() - expected)[inner].max() < 0.002
    assert (front.fade.numpy()[inner] == 1).all()
    assert front.fade.numpy()[0, 0] < 0.2


def test_rays_meet_the_turned_ellipsoid_where_the_quadratic_says(front):
    turn = torch.tensor([[np.cos(0.4), 0, np.sin(0.4)], [0, 1, 0], [-np.sin(0.4), 0, np.cos(0.4)]]).float()
    origin = (turn.T @ torch.tensor([0.0, 0.0, 0.8]))[None, None]
    target = torch.tensor([[0.0, 0.0], [0.02, 0.03], [-0.03, -0.04], [0.01, -0.05]])
    directions = torch.cat([target / 0.8, -torch.ones(4, 1)], 1) @ turn
    depth, moved, places = meet_surface(
        origin, directions[None], front.height[None, None], torch.zeros(1, 3, 96, 96), front.centre, front.half
    )
    o, d = origin[0].double() / torch.tensor(RADII), directions.double() / torch.tensor(RADII)
    a, b, c = (d * d).sum(-1), (o * d).sum(-1), (o * o).sum(-1) - 1
    expected = (-b - torch.sqrt(b * b - a * c)) / a
    assert (depth[0] - expected).abs().max() < 0.004
    assert moved.abs().max() == 0
    points = origin[0] + depth[0, :, None] * directions
    torch.testing.assert_close(places[0], ((points - front.centre) / front.half)[:, :2])


def test_the_displacement_map_repeats_the_mesh(front):
    head = ellipsoid_head(48, 64)
    sequence = make_scene(frames=11).sequence
    arrays = FlameArrays(
        sequence.shape,
        np.array([[1.0, 0.0], [0.0, 5.0]], np.float32),
        *(getattr(sequence, n)[3:5] for n in ("global_rotation", "neck_rotation", "jaw_rotation", "eyes_rotation")),
        sequence.translation[3:5],
    )
    driving = driving_of(head, arrays, front)
    places = (torch.tensor([[0.0, -0.06], [0.0, 0.05]]) - front.centre[:2]) / front.half[:2]
    values = lookup(driving.displacement.float(), places.expand(2, -1, -1))
    # The lower half drops by 4 mm, whatever the head's pose; the idle expression moves nothing.
    torch.testing.assert_close(values[0, :, 0], torch.tensor([0.0, -0.004, 0.0]), atol=1e-4, rtol=0)
    assert values[0, :, 1].abs().max() < 1e-4
    assert values[1].abs().max() < 1e-4


def test_a_displaced_surface_is_met_at_its_canonical_place(front):
    shift = torch.zeros(1, 3, 96, 96)
    shift[:, 1], shift[:, 2] = 0.01, 0.005
    origin, directions = torch.tensor([[[0.0, 0.0, 0.8]]]), torch.tensor([[[0.0, 0.05, -1.0]]])
    depth, moved, _ = meet_surface(
        origin, directions, front.height[None, None], shift, front.centre, front.half, steps=8
    )
    point = origin + depth[..., None] * directions - moved
    height = lookup(front.height[None, None], (point[..., :2] - front.centre[:2]) / front.half[:2])
    assert abs(float(height) - float(point[0, 0, 2])) < 5e-4


def test_a_mesh_without_faces_is_refused():
    with pytest.raises(ValueError, match="no faces"):
        build_front_map(np.zeros((3, 3)), np.zeros((0, 3), int))
