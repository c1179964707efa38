"""Weights of both branches' samples and their features along each ray, forward and backward, in one launch each.

A program holds its rays' weights in registers and walks the channels: hidden features are read once and their product
with the weights is never written.
"""

from typing import Any

import torch
import triton
import triton.language as tl

BLOCK = 64  # rays a program


@triton.jit
def _weights(
    thickness_a, depth_a, thickness_b, depth_b, ray, here, A: tl.constexpr, B: tl.constexpr, AP: tl.constexpr,
    BP: tl.constexpr,
):  # fmt: skip
    """Light that reaches each sample [BLOCK, AP] and [BLOCK, BP], thickness and depth of the samples, and the whole
    thickness of a ray [BLOCK]."""
    i, j = tl.arange(0, AP), tl.arange(0, BP)
    mask_a, mask_b = here[:, None] & (i < A)[None, :], here[:, None] & (j < B)[None, :]
    a = tl.load(thickness_a + ray[:, None] * A + i[None, :], mask=mask_a, other=0.0)
    b = tl.load(thickness_b + ray[:, None] * B + j[None, :], mask=mask_b, other=0.0)
    at_a = tl.load(depth_a + ray[:, None] * A + i[None, :], mask=mask_a, other=0.0)
    at_b = tl.load(depth_b + ray[:, None] * B + j[None, :], mask=mask_b, other=0.0)
    before_a, before_b = tl.cumsum(a, axis=1) - a, tl.cumsum(b, axis=1) - b
    for k in tl.static_range(B):
        at = tl.load(depth_b + ray * B + k, mask=here, other=0.0)[:, None]
        before_a += tl.where(at_a > at, tl.load(thickness_b + ray * B + k, mask=here, other=0.0)[:, None], 0.0)
    for k in tl.static_range(A):
        at = tl.load(depth_a + ray * A + k, mask=here, other=0.0)[:, None]
        before_b += tl.where(at <= at_b, tl.load(thickness_a + ray * A + k, mask=here, other=0.0)[:, None], 0.0)
    return tl.exp(-before_a), tl.exp(-before_b), a, b, at_a, at_b, tl.sum(a, axis=1) + tl.sum(b, axis=1)


@triton.jit
def forward_kernel(
    thickness_a, depth_a, hidden_a, thickness_b, depth_b, hidden_b, feature, left, covered, rays, stride_b, CHANNELS,
    A: tl.constexpr, B: tl.constexpr, AP: tl.constexpr, BP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """hidden_a [C, N, A]; hidden_b [N, B] a channel, ``stride_b`` apart.  covered: weights of a added up."""
    ray = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = ray < rays
    light_a, light_b, a, b, _at_a, _at_b, whole = _weights(
        thickness_a, depth_a, thickness_b, depth_b, ray, here, A, B, AP, BP
    )
    weight_a, weight_b = light_a * (1 - tl.exp(-a)), light_b * (1 - tl.exp(-b))
    tl.store(left + ray, tl.exp(-whole), mask=here)
    tl.store(covered + ray, tl.sum(weight_a, axis=1), mask=here)
    i, j = tl.arange(0, AP), tl.arange(0, BP)
    mask_a, mask_b = here[:, None] & (i < A)[None, :], here[:, None] & (j < B)[None, :]
    from_a = hidden_a + ray[:, None] * A + i[None, :]
    from_b = hidden_b + ray[:, None] * B + j[None, :]
    for channel in range(CHANNELS):
        x = tl.load(from_a + channel * rays * A, mask=mask_a, other=0.0).to(a.dtype)
        y = tl.load(from_b + channel * stride_b, mask=mask_b, other=0.0).to(a.dtype)
        value = tl.sum(weight_a * x, axis=1) + tl.sum(weight_b * y, axis=1)
        tl.store(feature + channel * rays + ray, value, mask=here)


@triton.jit
def backward_kernel(
    thickness_a, depth_a, hidden_a, thickness_b, depth_b, hidden_b, g_feature, g_left, g_covered,
    to_thickness_a, to_hidden_a, to_thickness_b, to_hidden_b, rays, stride_b, CHANNELS,
    A: tl.constexpr, B: tl.constexpr, AP: tl.constexpr, BP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """With w_i = L_i (1 - exp(-t_i)), L_i = exp(-sum of t_j in front): dw_i / dt_i = L_i exp(-t_i), and dw_j / dt_i =
    -w_j for every j behind i."""
    ray = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = ray < rays
    light_a, light_b, a, b, at_a, at_b, whole = _weights(
        thickness_a, depth_a, thickness_b, depth_b, ray, here, A, B, AP, BP
    )
    weight_a, weight_b = light_a * (1 - tl.exp(-a)), light_b * (1 - tl.exp(-b))
    i, j = tl.arange(0, AP), tl.arange(0, BP)
    mask_a, mask_b = here[:, None] & (i < A)[None, :], here[:, None] & (j < B)[None, :]
    row_a, row_b = ray[:, None] * A + i[None, :], ray[:, None] * B + j[None, :]
    on_a = tl.zeros_like(a) + tl.load(g_covered + ray, mask=here, other=0.0)[:, None]  # d loss / d weight
    on_b = tl.zeros_like(b)
    for channel in range(CHANNELS):
        g = tl.load(g_feature + channel * rays + ray, mask=here, other=0.0)[:, None]
        x = tl.load(hidden_a + channel * rays * A + row_a, mask=mask_a, other=0.0).to(a.dtype)
        y = tl.load(hidden_b + channel * stride_b + row_b, mask=mask_b, other=0.0).to(a.dtype)
        on_a += g * x
        on_b += g * y
        tl.store(to_hidden_a + channel * rays * A + row_a, g * weight_a, mask=mask_a)
        tl.store(to_hidden_b + channel * rays * B + row_b, g * weight_b, mask=mask_b)
    pull_a = tl.where((i < A)[None, :], on_a * weight_a, 0.0)
    pull_b = tl.where((j < B)[None, :], on_b * weight_b, 0.0)
    # What lies behind a sample: of its own branch, and of the other one by depth.
    behind_a = tl.sum(pull_a, axis=1)[:, None] - tl.cumsum(pull_a, axis=1)
    behind_b = tl.sum(pull_b, axis=1)[:, None] - tl.cumsum(pull_b, axis=1)
    for k in tl.static_range(B):
        at = tl.load(depth_b + ray * B + k, mask=here, other=0.0)[:, None]
        one = tl.sum(tl.where((j == k)[None, :], pull_b, 0.0), axis=1)[:, None]
        behind_a += tl.where(at_a <= at, one, 0.0)
    for k in tl.static_range(A):
        at = tl.load(depth_a + ray * A + k, mask=here, other=0.0)[:, None]
        one = tl.sum(tl.where((i == k)[None, :], pull_a, 0.0), axis=1)[:, None]
        behind_b += tl.where(at > at_b, one, 0.0)
    beyond = (tl.load(g_left + ray, mask=here, other=0.0) * tl.exp(-whole))[:, None]
    tl.store(to_thickness_a + row_a, on_a * light_a * tl.exp(-a) - behind_a - beyond, mask=mask_a)
    tl.store(to_thickness_b + row_b, on_b * light_b * tl.exp(-b) - behind_b - beyond, mask=mask_b)


def composite(
    thickness_a: torch.Tensor,
    depth_a: torch.Tensor,
    hidden_a: torch.Tensor,
    thickness_b: torch.Tensor,
    depth_b: torch.Tensor,
    hidden_b: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """``compositing.composite`` by one launch; no gradient to the depths."""
    return _Composite.apply(thickness_a, depth_a, hidden_a, thickness_b, depth_b, hidden_b)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tensors = tuple(tensor.detach().contiguous() for tensor in tensors)
        thickness_a, _, hidden_a, thickness_b, _, hidden_b = tensors
        rays, channels = len(thickness_a), len(hidden_a)
        feature = thickness_a.new_empty(channels, rays)
        left, covered = thickness_a.new_empty(rays), thickness_a.new_empty(rays)
        if rays:
            forward_kernel[(triton.cdiv(rays, BLOCK),)](
                *tensors, feature, left, covered, rays, hidden_b.stride(0), channels,
                **_static(thickness_a, thickness_b), BLOCK=BLOCK,
            )  # fmt: skip
        ctx.save_for_backward(*tensors)
        return feature, left, covered

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        tensors = ctx.saved_tensors
        assert not ctx.needs_input_grad[1]
        assert not ctx.needs_input_grad[4]
        thickness_a, _, hidden_a, thickness_b, _, hidden_b = tensors
        rays, channels = len(thickness_a), len(hidden_a)
        to = [torch.empty_like(tensor) for tensor in (thickness_a, hidden_a, thickness_b, hidden_b)]
        if rays:
            backward_kernel[(triton.cdiv(rays, BLOCK),)](
                *tensors, *(gradient.contiguous() for gradient in gradients), *to, rays, hidden_b.stride(0), channels,
                **_static(thickness_a, thickness_b), BLOCK=BLOCK,
            )  # fmt: skip
        return to[0], None, to[1], to[2], None, to[3]


def _static(thickness_a: torch.Tensor, thickness_b: torch.Tensor) -> dict[str, int]:
    a, b = thickness_a.shape[1], thickness_b.shape[1]
    return {"A": a, "B": b, "AP": triton.next_power_of_2(a), "BP": triton.next_power_of_2(b)}
