"""The surface kernel and the whole network through all kernels, against plain torch."""

import pytest
import torch

from models.nerf.front_map import meet_surface
from tests.models.nerf.kernels.agreement import close
from tests.models.nerf.test_network import pixels, small


def scene(frames, rays, side, dtype, device, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.rand(*shape, generator=generator, dtype=dtype)

    directions = torch.cat([random(frames, rays, 2) - 0.5, -0.2 - random(frames, rays, 1)], -1)  # some nearly parallel
    origin = torch.tensor([0.0, 0.0, 0.7], dtype=dtype) + 0.1 * random(frames, 1, 3)
    heights = torch.nn.functional.avg_pool2d(0.1 * random(1, 1, side + 4, side + 4), 5, 1)
    maps = 0.01 * random(frames, 3, side, side)
    centre, half = 0.05 * random(3), 0.1 + 0.05 * random(3)
    return [x.to(device) for x in (origin, directions, heights, maps, centre, half)]


@pytest.mark.parametrize(("frames", "rays", "side"), [(1, 1, 2), (3, 77, 9), (2, 130, 16), (2, 0, 4)])
def test_rays_meet_the_surface_where_torch_says(frames, rays, side, device, monkeypatch):
    # Four steps over a map that is not smooth carry rounding on: 1e-5 of the largest value, 1e-12 in float64.
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        arguments = scene(frames, rays, side, dtype, device)
        with torch.no_grad():
            monkeypatch.setattr("models.nerf.kernels.fused", lambda tensor: False)
            expected = meet_surface(*arguments)
            monkeypatch.setattr("models.nerf.kernels.fused", lambda tensor: True)
            found = meet_surface(*arguments)
        for mine, theirs in zip(found, expected, strict=True):
            close(mine, theirs, tolerance)


@pytest.mark.parametrize("changes", [{}, {"deform": False, "shell": False}])
def test_the_network_is_the_same_through_kernels_and_torch(changes, device, monkeypatch):
    """Pictures within 1e-5, gradients within 1e-4 of each parameter's largest one (measured: 4e-6)."""
    results = []
    for fused in (False, True):
        monkeypatch.setattr("models.nerf.kernels.fused", lambda tensor, fused=fused: fused)
        network, driving = small(**changes)
        network.to(device)
        driving = driving.pick(torch.arange(4), device)
        planes = network.planes()
        rendered = network(pixels(4, 20).to(device), pixels(4, 10, 1).to(device), driving, planes)
        (rendered.colour.square().mean() + rendered.opacity.mean() + rendered.head_opacity.mean()).backward()
        gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        results.append((rendered, gradients))
    (plain, slopes), (kernel, others) = results
    for name in ("colour", "opacity", "head_opacity"):
        torch.testing.assert_close(getattr(kernel, name), getattr(plain, name), atol=1e-5, rtol=0)
    assert slopes.keys() == others.keys()
    for name, slope in slopes.items():
        scale = float(slope.abs().max())
        torch.testing.assert_close(others[name], slope, atol=1e-4 * scale + 1e-9, rtol=0, msg=name)
