"""Where rays meet the displaced height field: all fixed-point steps of a ray in one launch, no gradient."""

import torch
import triton
import triton.language as tl

from models.nerf.kernels.bilinear import texel

BLOCK = 128  # rays a program


@triton.jit
def _at(map_, top, low, x0, x1, u, v, here):
    a = tl.load(map_ + top + x0, mask=here, other=0.0)
    b = tl.load(map_ + top + x1, mask=here, other=0.0)
    c = tl.load(map_ + low + x0, mask=here, other=0.0)
    d = tl.load(map_ + low + x1, mask=here, other=0.0)
    return (a * (1 - u) + b * u) * (1 - v) + (c * (1 - u) + d * u) * v


@triton.jit
def kernel(
    origin, directions, heights, maps, box, depth, moved, places, rays, each, side,
    STEPS: tl.constexpr, STEEPEST: tl.constexpr, RELAXATION: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """box: centre x, y, half x, y and the mean height; heights [side, side]; maps [F, 3, side, side]."""
    ray = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = ray < rays
    frame = ray // each
    ox = tl.load(origin + 3 * frame, mask=here, other=0.0)
    oy = tl.load(origin + 3 * frame + 1, mask=here, other=0.0)
    oz = tl.load(origin + 3 * frame + 2, mask=here, other=0.0)
    dx = tl.load(directions + 3 * ray, mask=here, other=0.0)
    dy = tl.load(directions + 3 * ray + 1, mask=here, other=0.0)
    dz = tl.load(directions + 3 * ray + 2, mask=here, other=-1.0)
    cx, cy, hx, hy = tl.load(box), tl.load(box + 1), tl.load(box + 2), tl.load(box + 3)
    slope = tl.minimum(dz, tl.full([BLOCK], STEEPEST, dz.dtype))
    t = (tl.load(box + 4) - oz) / slope
    mx, my, mz = tl.zeros_like(dx), tl.zeros_like(dx), tl.zeros_like(dx)
    texels = side * side
    of_frame = frame * 3 * texels
    for _ in tl.static_range(STEPS):
        x = (ox + t * dx - mx - cx) / hx
        y = (oy + t * dy - my - cy) / hy
        x0, x1, u, _between = texel(tl.minimum(tl.maximum(x, -1.0), 1.0), side)
        y0, y1, v, _between = texel(tl.minimum(tl.maximum(y, -1.0), 1.0), side)
        top, low = y0 * side, y1 * side
        height = _at(heights, top, low, x0, x1, u, v, here)
        mx = _at(maps + of_frame, top, low, x0, x1, u, v, here)
        my = _at(maps + of_frame + texels, top, low, x0, x1, u, v, here)
        mz = _at(maps + of_frame + 2 * texels, top, low, x0, x1, u, v, here)
        t = t + RELAXATION * (height + mz - (oz + t * dz)) / slope
    tl.store(depth + ray, t, mask=here)
    tl.store(moved + 3 * ray, mx, mask=here)
    tl.store(moved + 3 * ray + 1, my, mask=here)
    tl.store(moved + 3 * ray + 2, mz, mask=here)
    tl.store(places + 2 * ray, (ox + t * dx - cx) / hx, mask=here)
    tl.store(places + 2 * ray + 1, (oy + t * dy - cy) / hy, mask=here)


def meet_surface(
    origin: torch.Tensor,
    directions: torch.Tensor,
    surface: torch.Tensor,
    displacement: torch.Tensor,
    centre: torch.Tensor,
    half: torch.Tensor,
    steps: int,
    steepest: float,
    relaxation: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """``front_map.meet_surface`` by one launch."""
    frames, each = directions.shape[:2]
    box = torch.cat([centre[:2], half[:2], surface.mean()[None]])
    depth = directions.new_empty(frames, each)
    moved, places = directions.new_empty(frames, each, 3), directions.new_empty(frames, each, 2)
    rays = frames * each
    if rays:
        kernel[(triton.cdiv(rays, BLOCK),)](
            origin.contiguous(), directions.contiguous(), surface.contiguous(), displacement.contiguous(), box,
            depth, moved, places, rays, each, surface.shape[-1],
            STEPS=steps, STEEPEST=steepest, RELAXATION=relaxation, BLOCK=BLOCK,
        )  # fmt: skip
    return depth, moved, places
