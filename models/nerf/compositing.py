"""Volume rendering of two branches at once: densities add, so both share one transmittance.

With sigma = sigma_head + sigma_static the emission-absorption integral (Max 1995; NeRF, eq. 1-3) becomes

    F = integral T(t) (sigma_head f_head + sigma_static f_static) dt,   T(t) = exp(-integral_0^t sigma)

and its quadrature over the union of both branches' samples is what ``fused_weights`` evaluates.
"""

import torch

from models.nerf import kernels


def branch_weights(thickness: torch.Tensor) -> torch.Tensor:
    """Weights [..., S] of one branch alone, thickness [..., S] front to back: T_i (1 - exp(-thickness_i))."""
    before = thickness.cumsum(-1) - thickness
    return torch.exp(-before) * -torch.expm1(-thickness)


def fused_weights(
    thickness_a: torch.Tensor, depth_a: torch.Tensor, thickness_b: torch.Tensor, depth_b: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights of two sets of samples on the same rays.

    thickness_a, depth_a [..., A] and thickness_b, depth_b [..., B]: optical thickness (density times length,
    >= 0) and depth of each branch's samples; depths ascend within a branch.  Where depths are equal, a is in front.

    Returns weights [..., A], weights [..., B] and what is left for the background [...]; they add up to 1.
    """
    before_a = thickness_a.cumsum(-1) - thickness_a
    before_b = thickness_b.cumsum(-1) - thickness_b
    a_first = (depth_a[..., :, None] <= depth_b[..., None, :]).to(thickness_a.dtype)
    before_a = before_a + torch.einsum("...ab,...b->...a", 1.0 - a_first, thickness_b)
    before_b = before_b + torch.einsum("...ab,...a->...b", a_first, thickness_a)
    weights_a = torch.exp(-before_a) * -torch.expm1(-thickness_a)
    weights_b = torch.exp(-before_b) * -torch.expm1(-thickness_b)
    left = torch.exp(-(thickness_a.sum(-1) + thickness_b.sum(-1)))
    return weights_a, weights_b, left


def composite(
    thickness_a: torch.Tensor,
    depth_a: torch.Tensor,
    hidden_a: torch.Tensor,
    thickness_b: torch.Tensor,
    depth_b: torch.Tensor,
    hidden_b: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of both branches composited with the shared transmittance.

    thickness and depth as in ``fused_weights``, [N, A] and [N, B]; hidden features [C, N * A] and [C, N, B].  No
    gradient goes to the depths.  Returns features [C, N], what is left for the background [N], and the weights of a
    added up [N].
    """
    if kernels.fused(thickness_a):
        from models.nerf.kernels.composite import composite as fused

        return fused(thickness_a, depth_a, hidden_a, thickness_b, depth_b, hidden_b)
    weights_a, weights_b, left = fused_weights(thickness_a, depth_a, thickness_b, depth_b)
    feature_a = (hidden_a.view(-1, *weights_a.shape) * weights_a).sum(-1)
    return feature_a + (hidden_b * weights_b).sum(-1), left, weights_a.sum(-1)
