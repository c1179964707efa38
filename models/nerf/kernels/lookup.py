"""Bilinear lookup of several planes in one launch, forward and backward.

Planes lie channel last, so that the channels of a texel are one run of bytes: a warp reads 4 runs a sample where a
channel-first plane would cost 4 sectors a sample and channel.  The second axis of the grid is the plane.
Gradients of planes are added atomically: their last bits depend on the order, as those of torch's own kernel do.
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl

from models.nerf.kernels.bilinear import texel

MOST = 4  # planes a launch
BLOCK = 64  # samples a program  (64 by 16 channels: 16 bytes a thread and access, 84 registers)


@triton.jit
def _read(
    plane, places, weights, out, first, count, height, width, each, CHANNELS: tl.constexpr, PADDED: tl.constexpr,
    WEIGHTED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = row < count
    x0, x1, x_share, _ = texel(tl.load(places + 2 * row, mask=here, other=0.0), width)
    y0, y1, y_share, _ = texel(tl.load(places + 2 * row + 1, mask=here, other=0.0), height)
    channel = tl.arange(0, PADDED)
    mask = here[:, None] & (channel < CHANNELS)[None, :]
    top = ((row // each) * height + y0) * width
    low = ((row // each) * height + y1) * width
    a = tl.load(plane + ((top + x0) * CHANNELS)[:, None] + channel[None, :], mask=mask, other=0.0)
    b = tl.load(plane + ((top + x1) * CHANNELS)[:, None] + channel[None, :], mask=mask, other=0.0)
    c = tl.load(plane + ((low + x0) * CHANNELS)[:, None] + channel[None, :], mask=mask, other=0.0)
    d = tl.load(plane + ((low + x1) * CHANNELS)[:, None] + channel[None, :], mask=mask, other=0.0)
    u, v = x_share[:, None], y_share[:, None]
    value = (a * (1 - u) + b * u) * (1 - v) + (c * (1 - u) + d * u) * v
    if WEIGHTED:
        value = value * tl.load(weights + row, mask=here, other=0.0)[:, None]
    tl.store(out + (first + channel)[None, :] * count + row[:, None], value, mask=mask)


@triton.jit
def _spread(
    plane, places, weights, gradient, to_plane, to_places, first, count, height, width, each, CHANNELS: tl.constexpr,
    PADDED: tl.constexpr, WEIGHTED: tl.constexpr, TO_PLANE: tl.constexpr, TO_PLACES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = row < count
    x0, x1, x_share, x_between = texel(tl.load(places + 2 * row, mask=here, other=0.0), width)
    y0, y1, y_share, y_between = texel(tl.load(places + 2 * row + 1, mask=here, other=0.0), height)
    channel = tl.arange(0, PADDED)
    mask = here[:, None] & (channel < CHANNELS)[None, :]
    value = tl.load(gradient + (first + channel)[None, :] * count + row[:, None], mask=mask, other=0.0)
    if WEIGHTED:
        value = value * tl.load(weights + row, mask=here, other=0.0)[:, None]
    top = ((row // each) * height + y0) * width
    low = ((row // each) * height + y1) * width
    at_a = ((top + x0) * CHANNELS)[:, None] + channel[None, :]
    at_b = ((top + x1) * CHANNELS)[:, None] + channel[None, :]
    at_c = ((low + x0) * CHANNELS)[:, None] + channel[None, :]
    at_d = ((low + x1) * CHANNELS)[:, None] + channel[None, :]
    u, v = x_share[:, None], y_share[:, None]
    if TO_PLANE:
        tl.atomic_add(to_plane + at_a, value * (1 - u) * (1 - v), mask=mask, sem="relaxed")
        tl.atomic_add(to_plane + at_b, value * u * (1 - v), mask=mask, sem="relaxed")
        tl.atomic_add(to_plane + at_c, value * (1 - u) * v, mask=mask, sem="relaxed")
        tl.atomic_add(to_plane + at_d, value * u * v, mask=mask, sem="relaxed")
    if TO_PLACES:
        a = tl.load(plane + at_a, mask=mask, other=0.0)
        b = tl.load(plane + at_b, mask=mask, other=0.0)
        c = tl.load(plane + at_c, mask=mask, other=0.0)
        d = tl.load(plane + at_d, mask=mask, other=0.0)
        along_x = tl.sum(value * ((b - a) * (1 - v) + (d - c) * v), axis=1)
        along_y = tl.sum(value * ((c - a) * (1 - u) + (d - b) * u), axis=1)
        tl.store(to_places + 2 * row, tl.where(x_between, along_x * width * 0.5, 0.0), mask=here)
        tl.store(to_places + 2 * row + 1, tl.where(y_between, along_y * height * 0.5, 0.0), mask=here)


@triton.jit
def forward_kernel(
    p0, p1, p2, p3, x0, x1, x2, x3, w0, w1, w2, w3, out, count,
    h0, h1, h2, h3, v0, v1, v2, v3, e0, e1, e2, e3,
    C0: tl.constexpr, C1: tl.constexpr, C2: tl.constexpr, C3: tl.constexpr,
    D0: tl.constexpr, D1: tl.constexpr, D2: tl.constexpr, D3: tl.constexpr,
    W0: tl.constexpr, W1: tl.constexpr, W2: tl.constexpr, W3: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Slot k: plane p, places x, weights w, height h, width v, samples a plane of the batch e; C its channels, D the
    next power of two, W whether it is weighted.  C = 0: nothing in this slot."""
    which = tl.program_id(1)
    if which == 0:
        _read(p0, x0, w0, out, 0, count, h0, v0, e0, C0, D0, W0, BLOCK)
    if C1 > 0:  # noqa: SIM102 (known when compiled; joined, an empty slot would be compiled too)
        if which == 1:
            _read(p1, x1, w1, out, C0, count, h1, v1, e1, C1, D1, W1, BLOCK)
    if C2 > 0:  # noqa: SIM102 (known when compiled; joined, an empty slot would be compiled too)
        if which == 2:
            _read(p2, x2, w2, out, C0 + C1, count, h2, v2, e2, C2, D2, W2, BLOCK)
    if C3 > 0:  # noqa: SIM102 (known when compiled; joined, an empty slot would be compiled too)
        if which == 3:
            _read(p3, x3, w3, out, C0 + C1 + C2, count, h3, v3, e3, C3, D3, W3, BLOCK)


@triton.jit
def backward_kernel(
    p0, p1, p2, p3, x0, x1, x2, x3, w0, w1, w2, w3, gradient, g0, g1, g2, g3, y0, y1, y2, y3, count,
    h0, h1, h2, h3, v0, v1, v2, v3, e0, e1, e2, e3,
    C0: tl.constexpr, C1: tl.constexpr, C2: tl.constexpr, C3: tl.constexpr,
    D0: tl.constexpr, D1: tl.constexpr, D2: tl.constexpr, D3: tl.constexpr,
    W0: tl.constexpr, W1: tl.constexpr, W2: tl.constexpr, W3: tl.constexpr,
    P0: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr,
    X0: tl.constexpr, X1: tl.constexpr, X2: tl.constexpr, X3: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """As ``forward_kernel``; g and y take the gradients of planes and places, P and X say whether they are wanted."""
    which = tl.program_id(1)
    if which == 0:
        _spread(p0, x0, w0, gradient, g0, y0, 0, count, h0, v0, e0, C0, D0, W0, P0, X0, BLOCK)
    if C1 > 0:  # noqa: SIM102 (known when compiled; joined, an empty slot would be compiled too)
        if which == 1:
            _spread(p1, x1, w1, gradient, g1, y1, C0, count, h1, v1, e1, C1, D1, W1, P1, X1, BLOCK)
    if C2 > 0:  # noqa: SIM102 (known when compiled; joined, an empty slot would be compiled too)
        if which == 2:
            _spread(p2, x2, w2, gradient, g2, y2, C0 + C1, count, h2, v2, e2, C2, D2, W2, P2, X2, BLOCK)
    if C3 > 0:  # noqa: SIM102 (known when compiled; joined, an empty slot would be compiled too)
        if which == 3:
            _spread(p3, x3, w3, gradient, g3, y3, C0 + C1 + C2, count, h3, v3, e3, C3, D3, W3, P3, X3, BLOCK)


def lookup_all(
    planes: Sequence[torch.Tensor], places: Sequence[torch.Tensor], weights: Sequence[torch.Tensor | None]
) -> torch.Tensor:
    """``planes.lookup_all`` by one launch; at most MOST planes of one floating dtype on one device."""
    assert len(planes) == len(places) == len(weights) <= MOST
    given = [None if weight is None else weight.detach().contiguous() for weight in weights]
    return _Lookup.apply(given, *planes, *places)


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: list[torch.Tensor | None], *tensors: torch.Tensor) -> torch.Tensor:
        number = len(tensors) // 2
        # [B, H, W, C]: no copy where the plane lies channel last already.
        planes = [plane.detach().permute(0, 2, 3, 1).contiguous() for plane in tensors[:number]]
        places = [place.detach().contiguous() for place in tensors[number:]]
        count = places[0].shape[0] * places[0].shape[1]
        assert all(len(x) == len(p) and x.shape[0] * x.shape[1] == count for p, x in zip(planes, places, strict=True))
        out = planes[0].new_empty(sum(plane.shape[-1] for plane in planes), count)
        if count:
            grid = (triton.cdiv(count, BLOCK), number)
            forward_kernel[grid](
                *_slots(planes), *_slots(places), *_weights(weights, planes), out, count, *_sizes(planes, places),
                **_static(planes, weights), BLOCK=BLOCK,
            )  # fmt: skip
        ctx.weights, ctx.number = weights, number
        ctx.save_for_backward(*planes, *places)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        saved, number = ctx.saved_tensors, ctx.number
        planes, places = list(saved[:number]), list(saved[number:])
        wanted = ctx.needs_input_grad[1:]
        to_planes = [torch.zeros_like(p) if w else None for p, w in zip(planes, wanted[:number], strict=True)]
        to_places = [torch.empty_like(x) if w else None for x, w in zip(places, wanted[number:], strict=True)]
        count = gradient.shape[1]
        if count and any(wanted):
            flags = {f"P{k}": k < number and wanted[k] for k in range(MOST)}
            flags |= {f"X{k}": k < number and wanted[number + k] for k in range(MOST)}
            backward_kernel[(triton.cdiv(count, BLOCK), number)](
                *_slots(planes), *_slots(places), *_weights(ctx.weights, planes), gradient.contiguous(),
                *_slots([g if g is not None else p for g, p in zip(to_planes, planes, strict=True)]),
                *_slots([g if g is not None else x for g, x in zip(to_places, places, strict=True)]),
                count, *_sizes(planes, places), **_static(planes, ctx.weights), **flags, BLOCK=BLOCK,
            )  # fmt: skip
        return (None, *(None if g is None else g.permute(0, 3, 1, 2) for g in to_planes), *to_places)


def _slots(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Empty slots hold the first tensor, which nobody reads there."""
    return [*tensors, *[tensors[0]] * (MOST - len(tensors))]


def _weights(weights: Sequence[torch.Tensor | None], planes: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return _slots([planes[0] if weight is None else weight for weight in weights])


def _sizes(planes: Sequence[torch.Tensor], places: Sequence[torch.Tensor]) -> list[int]:
    heights = [plane.shape[1] for plane in planes]
    widths = [plane.shape[2] for plane in planes]
    each = [max(place.shape[1], 1) for place in places]
    return [value for values in (heights, widths, each) for value in [*values, *[1] * (MOST - len(planes))]]


def _static(planes: Sequence[torch.Tensor], weights: Sequence[torch.Tensor | None]) -> dict[str, Any]:
    channels = [*[plane.shape[-1] for plane in planes], *[0] * (MOST - len(planes))]
    padded = [triton.next_power_of_2(max(c, 1)) for c in channels]
    weighted = [*[weight is not None for weight in weights], *[False] * (MOST - len(planes))]
    named = {"C": channels, "D": padded, "W": weighted}
    return {f"{letter}{k}": values[k] for letter, values in named.items() for k in range(MOST)}
