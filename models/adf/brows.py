"""Brows that move as far as the speaker's.

Sound tells little of the brows, so that a least-squares answer hardly moves them; and what it does say does not pass
the mark at which the gain (calibration.py) believes a direction.  How far they move, though, is known.
"""

import torch
from torch import Tensor

from models.adf.manner import spread
from models.adf.motion import MotionBasis

MOST = 2.0  # by how much brow motion may be enlarged
RIDGE = 1e-3  # share of the mean diagonal: what moves neither brows nor face stays as it is


def brow_part(basis: MotionBasis, brows: Tensor, others: Tensor) -> Tensor:
    """Matrix [K, K]: of motion z (row vector, z @ matrix) what moves the brows and as little else as possible.

    brows, others: forms of ``geometry.brow_metrics``.  The change d of the branch with the least brows(d - x) +
    others(d), for x the motion: d = (brows + others)^-1 brows x.
    """
    both = brows + others
    ridge = RIDGE * both.diagonal().mean() * torch.eye(len(both))
    taken = torch.linalg.solve(both + ridge, brows)
    return basis.synthesis @ taken.T @ basis.analysis


def brow_spread(basis: MotionBasis, brows: Tensor, motion: Tensor) -> float:
    """How far the brows move in motion [N, K]: standard deviation in mm within pieces of 4 s, root mean square over
    brow points."""
    values, vectors = torch.linalg.eigh(basis.synthesis @ brows @ basis.synthesis.T)
    return float(spread(motion @ vectors * values.clamp_min(0.0).sqrt()).norm())


def enlarged(basis: MotionBasis, brows: Tensor, others: Tensor, gain: float) -> Tensor:
    """Matrix [K, K] that makes the brows' part of motion (row vector, z @ matrix) ``gain`` times as large."""
    return torch.eye(basis.synthesis.shape[0]) + (gain - 1.0) * brow_part(basis, brows, others)
