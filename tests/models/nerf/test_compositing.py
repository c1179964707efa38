"""Fused volume rendering against a float64 loop over the sorted union of both branches' samples."""

import numpy as np
import torch

from models.nerf.compositing import branch_weights, fused_weights


def loop(thickness_a, depth_a, thickness_b, depth_b):
    """One ray: walk the samples front to back (NeRF eq. 3), a before b where depths are equal."""
    samples = sorted(
        [(d, 0, i, s) for i, (d, s) in enumerate(zip(depth_a, thickness_a, strict=True))]
        + [(d, 1, i, s) for i, (d, s) in enumerate(zip(depth_b, thickness_b, strict=True))]
    )
    weights, light = (np.zeros(len(depth_a)), np.zeros(len(depth_b))), 1.0
    for _, branch, i, s in samples:
        weights[branch][i] = light * (1 - np.exp(-s))
        light *= np.exp(-s)
    return *weights, light


def random_rays(rays=40, a=7, b=3, seed=0):
    rng = np.random.default_rng(seed)
    parts = rng.gamma(0.5, 1.0, (rays, a)), np.sort(rng.random((rays, a))), rng.gamma(0.5, 1.0, (rays, b))
    return *parts, np.sort(rng.random((rays, b)))


def test_fused_weights_equal_the_sorted_loop():
    arrays = random_rays()
    arrays[3][:5, 1] = arrays[1][:5, 3]  # equal depths: the tie rule
    for array in arrays[1::2]:
        array.sort(axis=-1)
    found = fused_weights(*map(torch.tensor, arrays))
    for ray in range(40):
        expected = loop(*(array[ray] for array in arrays))
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine[ray].numpy(), theirs, rtol=1e-12, atol=1e-14)


def test_weights_and_remainder_add_up_to_one():
    weights_a, weights_b, left = fused_weights(*(torch.tensor(x) for x in random_rays(seed=1)))
    torch.testing.assert_close(weights_a.sum(-1) + weights_b.sum(-1) + left, torch.ones(40, dtype=torch.float64))


def test_an_empty_branch_leaves_the_other_alone():
    thickness, depth, other, behind = (torch.tensor(x) for x in random_rays(seed=2))
    weights, none, left = fused_weights(thickness, depth, torch.zeros_like(other), behind)
    torch.testing.assert_close(weights, branch_weights(thickness))
    assert float(none.abs().max()) == 0
    torch.testing.assert_close(left, torch.exp(-thickness.sum(-1)))
    none, weights, _ = fused_weights(torch.zeros_like(thickness), depth, other, behind)
    torch.testing.assert_close(weights, branch_weights(other))
    assert float(none.abs().max()) == 0


def test_two_branches_with_the_same_samples_add_their_densities():
    thickness, depth, *_ = (torch.tensor(x) for x in random_rays(seed=3))
    weights_a, weights_b, left = fused_weights(0.3 * thickness, depth, 0.7 * thickness, depth)
    torch.testing.assert_close(weights_a + weights_b, branch_weights(thickness))
    torch.testing.assert_close(left, torch.exp(-thickness.sum(-1)))


def test_constant_density_matches_the_closed_form():
    sigma, far, count = 3.0, 2.0, 2000
    edges = torch.linspace(0, far, count + 1, dtype=torch.float64)
    middle = (edges[1:] + edges[:-1]) / 2
    weights = branch_weights(torch.full((count,), sigma * far / count, dtype=torch.float64))
    # Mean depth of absorption: integral of t sigma exp(-sigma t) dt over 0..far.
    expected = (1 - np.exp(-sigma * far) * (1 + sigma * far)) / sigma
    np.testing.assert_allclose(float((weights * middle).sum()), expected, rtol=1e-5)


def test_gradients_pass_gradcheck():
    thickness, depth, other, behind = (torch.tensor(x) for x in random_rays(rays=3, a=4, b=2, seed=4))
    thickness.requires_grad_()
    other.requires_grad_()
    torch.autograd.gradcheck(lambda a, b: fused_weights(a, depth, b, behind), (thickness, other))
