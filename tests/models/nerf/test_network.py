"""Planes, branches and their fusion: limits, gradients, determinism."""

import numpy as np
import torch
import torch.nn.functional as F

from models.nerf.driving import driving_of, person_front_map, standardisation, standardise
from models.nerf.network import DualBranchNerf, NerfConfig
from models.nerf.planes import BlendedPlane, PyramidPlane, lookup
from models.nerf.rendering import render_picture
from tasks.portrait import flame_arrays
from tests.nerf_scene import ellipsoid_head, make_scene


def small(**changes):
    torch.manual_seed(0)
    sequence = make_scene(frames=12, size=32).sequence
    head = ellipsoid_head()
    arrays = flame_arrays(sequence, sequence.shape)
    front = person_front_map(head, arrays.shape, 32)
    driving = driving_of(head, arrays, front)
    config = NerfConfig(
        32, sequence.focal, driving.face.shape[1], driving.pose.shape[1], 0.72, head_resolution=32, static_resolution=32
    )
    network = DualBranchNerf(NerfConfig(**(config.as_dict() | changes)), front, torch.rand(3, 32, 32))
    return network, driving.pick(torch.arange(4))


def pixels(frames, count, seed=0):
    return torch.rand(frames, count, 2, generator=torch.Generator().manual_seed(seed)) * 32


def test_lookup_is_bilinear_between_texel_centres():
    plane = torch.arange(12.0).view(1, 1, 3, 4)
    centres = torch.tensor([[[-0.75, -2 / 3], [0.25, 0.0], [0.0, 0.0]]])
    assert lookup(plane, centres)[0, 0].tolist() == [0.0, 6.0, 5.5]


def test_a_pyramid_is_the_sum_of_its_upsampled_levels():
    plane = PyramidPlane(3, 32, 16)
    for level in plane.levels:
        torch.nn.init.normal_(level)
    fine, middle, coarse = plane.levels

    def up(level, other):
        return F.interpolate(level, size=other.shape[-2:], mode="bilinear")

    # Upsampling is linear: the levels may be summed in any order.
    torch.testing.assert_close(plane(), fine + up(middle, fine) + up(up(coarse, middle), fine))


def test_a_blended_plane_is_linear_in_its_weights():
    plane = BlendedPlane(4, 2, 5, 6)
    weights = torch.randn(3, 4)
    expected = torch.einsum("fk,kchw->fchw", weights, plane.basis.view(4, 2, 5, 6))
    torch.testing.assert_close(plane(weights), expected)


def test_opacity_and_plate_limits():
    network, driving = small()
    with torch.no_grad():
        network.head.density.bias.fill_(-50)
        network.static.density.bias.fill_(-50)
        rendered = network(pixels(4, 6), pixels(4, 5, 1), driving, network.planes())
    assert rendered.colour.shape == (44, 3)
    assert rendered.opacity.abs().max() < 1e-6
    # Empty branches leave the plate.
    places = torch.cat([pixels(4, 6).reshape(-1, 2), pixels(4, 5, 1).reshape(-1, 2)]) / 16 - 1
    torch.testing.assert_close(rendered.colour, lookup(network.plate, places[None])[0].T, atol=1e-5, rtol=1e-5)


def test_with_an_empty_head_both_kinds_of_rays_agree():
    network, driving = small()
    with torch.no_grad():
        network.head.density.bias.fill_(-50)
        as_head = network(pixels(4, 6), pixels(4, 0), driving, network.planes())
        as_other = network(pixels(4, 0), pixels(4, 6), driving, network.planes())
    torch.testing.assert_close(as_head.colour, as_other.colour, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(as_head.opacity, as_other.opacity, atol=1e-5, rtol=1e-4)


def test_pasting_equals_fusion_where_one_branch_is_empty():
    fused, driving = small()
    pasted, _ = small(fusion=False)
    for network in (fused, pasted):
        with torch.no_grad():
            network.static.density.bias.fill_(-50)
    results = [network(pixels(4, 6), pixels(4, 0), driving, network.planes()).colour for network in (fused, pasted)]
    torch.testing.assert_close(*results, atol=1e-4, rtol=1e-4)


def test_without_the_shell_samples_fill_the_heads_box():
    far = []
    for shell in (True, False):
        network, driving = small(shell=shell)
        origin, directions = network.head_rays(pixels(4, 6), driving)
        face, pose, _ = network.conditions(driving)
        samples = network.head(origin, directions, driving.displacement, face, pose, network.planes().head)
        points = origin[:, :, None] + samples.depth.view(4, 6, -1)[..., None] * directions[:, :, None]
        inside = (points[..., 2] - network.head.centre[2]).abs() / network.head.extent[2]
        far.append(float(inside.max()))
    assert far[1] > 0.85  # the middles of 8 intervals reach 7/8 of the way
    assert far[1] > far[0]


def test_every_parameter_learns():
    network, driving = small()
    # Basis planes that start at zero hide their weights' gradient: move them off zero first.
    with torch.no_grad():
        for blended in (network.head.deform.maps, network.static.warp_maps):
            blended.basis.normal_(0, 0.1)
    rendered = network(pixels(4, 200), pixels(4, 100, 1), driving, network.planes())
    (rendered.colour.square().sum() + rendered.opacity.sum()).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert silent == []


def test_gradient_of_the_density_bias_matches_a_difference():
    network, driving = small()
    network.double()
    for name in ("rotation", "translation", "displacement", "face", "pose"):
        setattr(driving, name, getattr(driving, name).double())

    def value():
        return network(pixels(4, 20).double(), pixels(4, 0).double(), driving, network.planes()).colour.square().sum()

    bias = network.head.density.bias
    value().backward()
    with torch.no_grad():
        bias += 1e-5
        high = value()
        bias -= 2e-5
        low = value()
    np.testing.assert_allclose(float(bias.grad), float(high - low) / 2e-5, rtol=1e-4)


def test_drivers_far_outside_training_are_held():
    values = torch.randn(100, 5)
    values[:, 4] *= 1e-9
    mean, scale = standardisation(values)
    assert standardise(values, mean, scale)[:, 4].abs().max() < 1e-3
    assert standardise(1e6 * torch.ones(1, 5), mean, scale).max() <= 4.0
    near = mean + 0.01 * scale
    torch.testing.assert_close(standardise(near[None], mean, scale)[0], torch.full((5,), 0.01), atol=1e-4, rtol=0)


def test_a_render_at_another_size_shows_the_same_picture():
    network, driving = small()
    driving = driving.pick(torch.tensor([1]))
    with torch.no_grad():
        network.plate.copy_(F.avg_pool2d(network.plate, 15, 1, 7, count_include_pad=False))
        planes = network.planes()
        native = render_picture(network, driving, 32, planes)
        double = render_picture(network, driving, 64, planes)
    assert double.shape == (64, 64, 3)
    pooled = double.view(32, 2, 32, 2, 3).mean((1, 3))
    assert float((pooled - native).abs().mean()) < 0.02
    torch.testing.assert_close(render_picture(network, driving, 32, planes), native)
