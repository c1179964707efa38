"""The affine part of the torso's motion in each frame.

Inverse compositional alignment after Baker & Matthews, "Lucas-Kanade 20 Years On" (IJCV 2004), coarse to fine, with
Tukey's weights and a gain and an offset of brightness a frame.
"""

import torch

from models.nerf.torso.motion import matrices, moved, offsets
from models.nerf.torso.template import (
    COARSE,
    SHARE,
    TorsoTemplate,
    Views,
    blur,
    gradient,
    grid,
    read,
    robust_spread,
    shrunk,
    tukey,
)

LEVELS = ((32, 8), (64, 8), (COARSE, 6))  # texels of a side, Gauss-Newton steps; coarse to fine
STIFFNESS = 1e-3  # damping of the linear part, as a share of the data's own curvature


def align_affine(template: TorsoTemplate, views: Views) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Affine part [N, 2, 3], residual [N] and visible [N] of N frames, seen at COARSE texels or more, as in
    ``Alignment``."""
    affine = torch.zeros(len(views), 2, 3)
    residual = visible = torch.zeros(len(views))
    for side, steps in LEVELS:
        affine, residual, visible = _align_level(template, views, affine, side, steps)
    return affine, residual, visible


def _align_level(
    template: TorsoTemplate, views: Views, affine: torch.Tensor, side: int, steps: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    whole = (template.picture, template.torso, views.pictures, views.torso)
    goal, share, images, masks = (shrunk(part, side) for part in whole)
    goal, images = blur(goal), blur(images)
    kept = share.view(-1) > SHARE
    weight = share.view(-1)[kept]
    places = grid(side)[kept]
    homogeneous = torch.cat([places, torch.ones_like(places[:, :1])], dim=-1)
    brightness = goal.view(-1)[kept]
    columns = [slope.reshape(-1)[kept, None] * homogeneous for slope in gradient(goal)[0]]
    jacobian = torch.cat([*columns, brightness[:, None], torch.ones_like(brightness)[:, None]], dim=1)  # [P, 8]
    damping = torch.tensor([STIFFNESS, STIFFNESS, 0, STIFFNESS, STIFFNESS, 0, 0, 0])
    everywhere = places.expand(len(images), -1, -1)
    residual = visible = torch.zeros(len(images))
    light = torch.zeros(len(images), 2)  # gain - 1 and offset of brightness
    for step in range(steps + 1):
        where = moved(affine, everywhere)
        seen = read(masks, where)[:, :, 0]
        error = read(images, where)[:, :, 0] - brightness - light @ jacobian[:, 6:].T
        visible = (seen * weight).sum(1) / weight.sum()
        spread = robust_spread(error)
        residual = spread[:, 0]
        if step == steps:
            break
        trust = weight * seen * tukey(error, spread)
        weighted = (jacobian * trust[..., None]).transpose(1, 2)
        normal = weighted @ jacobian
        normal = normal + torch.diag_embed(torch.diagonal(normal, dim1=1, dim2=2) * damping + 1e-4)
        change = torch.linalg.solve(normal, (weighted @ error[..., None])[..., 0])
        light = light + change[:, 6:]
        # The template was moved; the picture is moved by the inverse of it.
        affine = offsets(matrices(affine) @ torch.linalg.inv(matrices(change[:, :6].view(-1, 2, 3))))
    return affine, residual, visible
