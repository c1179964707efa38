"""The lookup kernel against torch's grid_sample: values and gradients, in float32 and in float64.

Tolerances: float32 within 1e-5 of the largest value of what is compared (sums of some hundred terms in another
order), float64 within 1e-12.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.nerf.planes import lookup, lookup_all
from tests.models.nerf.kernels.agreement import close

SHAPES = st.lists(
    st.tuples(st.integers(1, 17), st.integers(1, 9), st.integers(1, 9), st.booleans(), st.booleans()),
    min_size=1,
    max_size=4,
)


def inputs(shapes, frames, each, seed, dtype, device):
    """Planes (channel last in memory or not), places (a fifth of them outside -1..1, some on the border), weights."""
    generator = torch.Generator().manual_seed(seed)
    planes, places, weights = [], [], []
    for channels, height, width, per_frame, weighted in shapes:
        batch, count = (frames, each) if per_frame else (1, frames * each)
        plane = torch.randn(batch, channels, height, width, generator=generator, dtype=dtype)
        plane = plane.contiguous(memory_format=torch.channels_last) if weighted else plane
        place = 2.5 * torch.rand(batch, count, 2, generator=generator, dtype=dtype) - 1.25
        place[:, ::7] = place[:, ::7].round()
        planes.append(plane.to(device).requires_grad_())
        places.append(place.to(device).requires_grad_())
        weights.append(torch.rand(batch, count, generator=generator, dtype=dtype).to(device) if weighted else None)
    return planes, places, weights


def both(planes, places, weights, gradient_of):
    from models.nerf.kernels.lookup import lookup_all as fused

    results = []
    for function in (fused, lookup_all):
        values = function(planes, places, weights)
        gradient = torch.randn(values.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        gradients = torch.autograd.grad(values, gradient_of, gradient.to(values), allow_unused=values.numel() == 0)
        results.append((values, *gradients))
    return results


@settings(max_examples=10, deadline=None, derandomize=True)
@given(SHAPES, st.integers(1, 3), st.integers(1, 90), st.integers(0, 99))
def test_values_and_gradients_equal_grid_samples(shapes, frames, each, seed):
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        planes, places, weights = inputs(shapes, frames, each, seed, dtype, device)
        # Exactly on a border the derivative has two sides, and rounding of the place says which: values alone there.
        for found, expected in zip(*both(planes, places, weights, planes), strict=True):
            close(found, expected, tolerance)
        for place, plane in zip(places, planes, strict=True):
            place.data = place.data + 0.0137
            inner = torch.minimum(_to_edge(place[..., 0], plane.shape[3]), _to_edge(place[..., 1], plane.shape[2]))
            place.data[inner < 1e-3] = 5.0
        for found, expected in zip(*both(planes, places, weights, places), strict=True):
            close(found, expected, 10 * tolerance)


def _to_edge(coordinate, size):
    """Texels to the nearest texel centre, where the derivative jumps."""
    texel = ((coordinate.detach() + 1) * size - 1) / 2
    return (texel - texel.round()).abs()


def test_float32_is_as_near_to_float64_as_grid_sample_is(device):
    shapes = [(16, 40, 40, False, False), (8, 40, 20, False, False), (8, 12, 12, True, True)]
    exact = inputs(shapes, 2, 100, 5, torch.float64, device)
    rough = [[None if x is None else x.detach().float() for x in part] for part in exact]
    reference = lookup_all(*exact).detach()
    from models.nerf.kernels.lookup import lookup_all as fused

    errors = [float((function(*rough).double() - reference).abs().max()) for function in (fused, lookup_all)]
    assert errors[0] <= 2 * errors[1] + 1e-6


def test_the_autograd_function_passes_gradcheck(device):
    from models.nerf.kernels.lookup import lookup_all as fused

    torch.manual_seed(0)
    plane = torch.randn(2, 3, 4, 5, dtype=torch.float64, device=device, requires_grad=True)
    other = torch.randn(1, 2, 3, 3, dtype=torch.float64, device=device, requires_grad=True)
    place = 0.9 * (2 * torch.rand(2, 6, 2, dtype=torch.float64, device=device) - 1)
    place, same = place.requires_grad_(), place.detach().reshape(1, 12, 2).clone().requires_grad_()
    weight = torch.rand(2, 6, dtype=torch.float64, device=device)
    assert torch.autograd.gradcheck(
        lambda p, o, x, y: fused([p, o], [x, y], [weight, None]),
        (plane, other, place, same),
        atol=1e-6,
        nondet_tol=1e-9,
        fast_mode=True,
    )


def test_nothing_to_look_up(device):
    from models.nerf.kernels.lookup import lookup_all as fused

    plane = torch.ones(1, 3, 4, 5, device=device, requires_grad=True)
    values = fused([plane], [torch.zeros(1, 0, 2, device=device)], [None])
    assert values.shape == (3, 0)
    values.sum().backward()
    assert float(plane.grad.abs().max()) == 0


def test_what_needs_no_gradient_gets_none(device):
    from models.nerf.kernels.lookup import lookup_all as fused

    plane, place = torch.ones(1, 3, 4, 5, device=device), torch.zeros(1, 9, 2, device=device, requires_grad=True)
    fused([plane], [place], [None]).sum().backward()
    assert plane.grad is None
    assert place.grad.shape == place.shape


@pytest.mark.parametrize("place", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_places_that_are_no_numbers_stay_inside_the_plane(device, place):
    from models.nerf.kernels.lookup import lookup_all as fused

    plane = torch.arange(12.0, device=device).view(1, 1, 3, 4)
    values = fused([plane], [torch.full((1, 5, 2), place, device=device)], [None])
    # Which texel a NaN gets is nobody's promise; that it is one of the plane's is.
    assert torch.isnan(values).all() or bool(((values >= 0) & (values <= 11)).all())


def test_the_single_lookup_is_the_same_by_either_way(device, monkeypatch):
    plane, places = torch.randn(3, 4, 5, 6, device=device), 2 * torch.rand(3, 70, 2, device=device) - 1
    monkeypatch.setattr("models.nerf.kernels.fused", lambda tensor: False)
    expected = lookup(plane, places)
    monkeypatch.setattr("models.nerf.kernels.fused", lambda tensor: True)
    close(lookup(plane, places), expected, 1e-5)
