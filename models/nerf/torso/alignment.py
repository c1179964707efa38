"""Template and motion of a whole clip: every picture is aligned to the torso's mean picture.

Every frame is aligned on its own: an error cannot drift on into the next.
"""

from dataclasses import dataclass

import torch

from models.nerf.torso.affine import align_affine
from models.nerf.torso.motion import in_frame, matrices, offsets, still
from models.nerf.torso.template import COARSE, SIDE, TorsoTemplate, Views, grid, read
from models.nerf.torso.warp import LEVELS, WarpSolver, at_nodes, least_area

ROUNDS = (0, 0, 0, 1, 1, 2, 2)  # of aligning to the mean picture and averaging anew: levels of displacements in each
LEAST_VISIBLE = 0.35  # share of the template a frame must show
LEAST_AREA = 0.25  # of its own: to which displacements may shrink a part of the picture
BATCH = 32  # frames read at once


@dataclass
class Alignment:
    """motion [N, 2, COEFFICIENTS]; residual [N]: robust standard deviation of brightness that the affine part leaves
    (0..1); visible [N]: share of the template that the frame shows as torso.  A frame below LEAST_VISIBLE has the
    motion NaN."""

    motion: torch.Tensor
    residual: torch.Tensor
    visible: torch.Tensor


class Aligner:
    """Aligns frames to one template.

    levels: how many of warp.LEVELS measure displacements; 0 leaves them zero.
    """

    def __init__(self, template: TorsoTemplate, levels: int = len(LEVELS)):
        self.template = template
        self.solvers = [] if template.empty else [WarpSolver(template, level) for level in LEVELS[:levels]]

    def align(self, views: Views) -> Alignment:
        """Motion of every frame."""
        count = len(views)
        motion = still(count)
        residual, visible = torch.zeros(count), torch.zeros(count)
        if not self.template.empty:
            coarse = views.at(COARSE)
            motion[..., :3], residual, visible = align_affine(self.template, coarse)
            plane = torch.zeros(count, 2, 4)
            for solver in self.solvers:
                found = solver.measure(coarse if solver.level.side == COARSE else views, motion[..., :3], plane)
                # A hand taken for cloth can pull cloth over itself: then the frame keeps what the level before found.
                sound = least_area(found) > LEAST_AREA
                plane = torch.where(sound[:, None, None], found, at_nodes(plane, solver.level.nodes))
            if self.solvers:
                motion[..., 3:] = at_nodes(plane)
        motion[visible < LEAST_VISIBLE] = torch.nan
        return Alignment(motion, residual, visible)


def build_template(views: Views) -> TorsoTemplate:
    """The torso's mean picture over training frames.

    Starts from the frame in the middle of the clip; the mean motion of the result is the identity.
    """
    middle = views.pick(torch.tensor([len(views) // 2]))
    template = TorsoTemplate(middle.pictures, middle.torso, middle.near)
    for levels in ROUNDS:
        if template.empty:
            break
        motion = Aligner(template, levels).align(views).motion
        seen = torch.isfinite(motion[:, 0, 0])
        motion = motion[seen]
        placed = matrices(motion[..., :3])
        motion[..., :3] = offsets(placed @ torch.linalg.inv(placed.mean(0)))
        motion[..., 3:] -= motion[..., 3:].mean(0)
        template = _average(views, torch.nonzero(seen)[:, 0], motion)
    return template


def _average(views: Views, rows: torch.Tensor, motion: torch.Tensor) -> TorsoTemplate:
    """The frames ``rows`` of ``views``, brought to the canonical place by ``motion`` [len(rows), 2, COEFFICIENTS]."""
    bright, near, torso = torch.zeros(3, SIDE**2, 1)
    for part, moves in zip(rows.split(BATCH), motion.split(BATCH), strict=True):
        kept = views.pick(part)
        where = in_frame(moves, grid(SIDE).expand(len(moves), -1, -1))
        weight = read(kept.near, where)
        bright += (read(kept.pictures, where) * weight).sum(0)
        near += weight.sum(0)
        torso += read(kept.torso, where).sum(0)
    parts = (bright / near.clamp(min=1e-3), torso / len(rows), near / len(rows))
    return TorsoTemplate(*(part.view(1, 1, SIDE, SIDE) for part in parts))
