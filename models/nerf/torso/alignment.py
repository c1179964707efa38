"""Template and motion of a whole clip: every picture is aligned to the torso's mean picture.

Every frame is aligned on its own: an error cannot drift on into the next.
"""

from dataclasses import dataclass

import torch

from models.nerf.torso.affine import align_affine
from models.nerf.torso.motion import COEFFICIENTS, in_frame, matrices, offsets, still
from models.nerf.torso.template import SIDE, TorsoTemplate, grid, read
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


def build_template(pictures: torch.Tensor, torso: torch.Tensor) -> TorsoTemplate:
    """The torso's mean picture over training frames.

    pictures [N, 1, SIDE, SIDE]: brightness in 0..1; torso likewise: share of each texel that is torso.  Starts from the
    frame in the middle of the clip; the mean motion of the result is the identity.
    """
    middle = len(pictures) // 2
    template = TorsoTemplate(pictures[middle : middle + 1], torso[middle : middle + 1])
    for turn in range(ROUNDS + WARP_ROUNDS):
        if template.empty:
            break
        motion = align(template, pictures, torso, warp=turn >= ROUNDS).motion
        seen = torch.isfinite(motion[:, 0, 0])
        motion = motion[seen]
        placed = matrices(motion[..., :3])
        motion[..., :3] = offsets(placed @ torch.linalg.inv(placed.mean(0)))
        motion[..., 3:] -= motion[..., 3:].mean(0)
        where = in_frame(motion, grid(SIDE).expand(len(motion), -1, -1))
        share = read(torso[seen], where)
        mean = (read(pictures[seen], where) * share).sum(0) / share.sum(0).clamp(min=1e-3)
        template = TorsoTemplate(mean.view(1, 1, SIDE, SIDE), share.mean(0).view(1, 1, SIDE, SIDE))
    return template


def align(template: TorsoTemplate, pictures: torch.Tensor, torso: torch.Tensor, warp: bool = True) -> Alignment:
    """Motion of every frame.  pictures, torso [N, 1, SIDE, SIDE] as for ``build_template``; warp=False leaves the
    displacements zero."""
    count = len(pictures)
    motion = still(count)
    residual, visible = torch.zeros(count), torch.zeros(count)
    if not template.empty:
        motion[..., :3], residual, visible = align_affine(template, pictures, torso)
        if warp:
            motion[..., 3:] = WarpSolver(template).measure(pictures, torso, motion[..., :3])
    motion[visible < LEAST_VISIBLE] = torch.nan
    assert motion.shape[2] == COEFFICIENTS
    return Alignment(motion, residual, visible)
