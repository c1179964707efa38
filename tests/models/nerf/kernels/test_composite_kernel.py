"""The compositing kernel against the torch code beside it, in float32 (within 1e-5 of the largest value), in float64
(1e-12), and against the loop over sorted samples."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.nerf.compositing import composite
from tests.models.nerf.kernels.agreement import close


def inputs(rays, a, b, channels, seed, dtype, device):
    """Thickness from none to opaque, depths that ascend and tie now and then, hidden features, leaves of autograd."""
    generator = torch.Generator().manual_seed(seed)

    def branch(samples):
        thickness = 6 * torch.rand(rays, samples, generator=generator, dtype=dtype) ** 4
        thickness[::5] = 0
        depth = (8 * torch.rand(rays, samples, generator=generator, dtype=dtype)).round().sort(-1).values
        return thickness.to(device).requires_grad_(), depth.to(device)

    (thickness_a, depth_a), (thickness_b, depth_b) = branch(a), branch(b)
    hidden_a = torch.randn(channels, rays * a, generator=generator, dtype=dtype).to(device).requires_grad_()
    hidden_b = torch.randn(channels, rays, b, generator=generator, dtype=dtype).to(device).requires_grad_()
    return thickness_a, depth_a, hidden_a, thickness_b, depth_b, hidden_b


def value_and_gradients(function, arguments):
    results = function(*arguments)
    generator = torch.Generator().manual_seed(3)
    outer = [torch.randn(r.shape, generator=generator, dtype=torch.float64).to(r) for r in results]
    leaves = [x for x in arguments if x.requires_grad]
    return [*results, *torch.autograd.grad(results, leaves, outer)]


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(1, 130), st.integers(1, 9), st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
def test_values_and_gradients_equal_torchs(rays, a, b, channels, seed):
    from models.nerf.kernels.composite import composite as fused

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        arguments = inputs(rays, a, b, channels, seed, dtype, device)
        found, expected = (value_and_gradients(function, arguments) for function in (fused, composite))
        for mine, theirs in zip(found, expected, strict=True):
            close(mine, theirs, tolerance)


def test_float32_is_near_float64(device):
    from models.nerf.kernels.composite import composite as fused

    exact = inputs(100, 8, 3, 4, 0, torch.float64, device)
    reference = value_and_gradients(composite, exact)
    rough = [x.detach().float().requires_grad_(x.requires_grad) for x in exact]
    for mine, theirs in zip(value_and_gradients(fused, rough), reference, strict=True):
        close(mine.double(), theirs, 1e-5)


def test_the_autograd_function_passes_gradcheck(device):
    from models.nerf.kernels.composite import composite as fused

    arguments = inputs(4, 3, 2, 2, 1, torch.float64, device)
    assert torch.autograd.gradcheck(fused, arguments, atol=1e-6, fast_mode=True)


def test_hidden_features_of_sixteen_bits(device):
    from models.nerf.kernels.composite import composite as fused

    arguments = [x.detach() for x in inputs(70, 8, 3, 4, 2, torch.float32, device)]
    arguments[2], arguments[5] = arguments[2].bfloat16(), arguments[5].bfloat16()
    arguments[2].requires_grad_()
    arguments[0].requires_grad_()
    found, expected = (value_and_gradients(function, arguments) for function in (fused, composite))
    assert found[-1].dtype == torch.bfloat16
    for mine, theirs in zip(found, expected, strict=True):
        close(mine.float(), theirs.float(), 1e-5 if mine.dtype == torch.float32 else 2**-8)


def test_no_ray_at_all(device):
    from models.nerf.kernels.composite import composite as fused

    arguments = inputs(0, 8, 3, 4, 2, torch.float32, device)
    feature, left, covered = fused(*arguments)
    assert (feature.shape, left.shape, covered.shape) == ((4, 0), (0,), (0,))
    feature.sum().backward()
    assert arguments[0].grad.shape == (0, 8)
