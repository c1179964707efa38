"""Template and motion of a whole clip: every picture is aligned to the torso's mean picture.

Every frame is aligned on its own: an error cannot drift on into the next.
"""

from dataclasses import dataclass

import torch

from models.nerf.torso.affine import align_affine
from models.nerf.torso.motion import in_frame, matrices, offsets, still
from models.nerf.torso.template import SIDE, TorsoTemplate, Views, grid, read
from models.nerf.torso.warp import WarpSolver

ROUNDS = 3  # of aligning to the mean picture and averaging anew, the affine part alone
WARP_ROUNDS = 2  # of the same with the displacements
LEAST_VISIBLE = 0.35  # share of the template a frame must show


@dataclass
class Alignment:
    """motion [N, 2, COEFFICIENTS]; residual [N]: robust standard deviation of brightness that the affine part leaves
    (0..1); visible [N]: share of the template that the frame shows as torso.  A frame below LEAST_VISIBLE has the
    motion NaN."""

    motion: torch.Tensor
    residual: torch.Tensor
    visible: torch.Tensor


def build_template(views: Views) -> TorsoTemplate:
    """The torso's mean picture over training frames.

    Starts from the frame in the middle of the clip; the mean motion of the result is the identity.
    """
    middle = views.pick(torch.tensor([len(views) // 2]))
    template = TorsoTemplate(middle.pictures, middle.torso, middle.near)
    for turn in range(ROUNDS + WARP_ROUNDS):
        if template.empty:
            break
        motion = align(template, views, warp=turn >= ROUNDS).motion
        seen = torch.isfinite(motion[:, 0, 0])
        motion, kept = motion[seen], views.pick(seen)
        placed = matrices(motion[..., :3])
        motion[..., :3] = offsets(placed @ torch.linalg.inv(placed.mean(0)))
        motion[..., 3:] -= motion[..., 3:].mean(0)
        where = in_frame(motion, grid(SIDE).expand(len(motion), -1, -1))
        torso, near = read(kept.torso, where), read(kept.near, where)
        mean = (read(kept.pictures, where) * near).sum(0) / near.sum(0).clamp(min=1e-3)
        template = TorsoTemplate(*(part.view(1, 1, SIDE, SIDE) for part in (mean, torso.mean(0), near.mean(0))))
    return template


def align(template: TorsoTemplate, views: Views, warp: bool = True) -> Alignment:
    """Motion of every frame.  warp=False leaves the displacements zero."""
    count = len(views)
    motion = still(count)
    residual, visible = torch.zeros(count), torch.zeros(count)
    if not template.empty:
        motion[..., :3], residual, visible = align_affine(template, views)
        if warp:
            motion[..., 3:] = WarpSolver(template).measure(views, motion[..., :3])
    motion[visible < LEAST_VISIBLE] = torch.nan
    return Alignment(motion, residual, visible)
