"""Brows that move as far as the speaker's.

Sound tells little of the brows, so that a least-squares answer hardly moves them; and what it does say does not pass
the mark at which the gain (calibration.py) believes a direction.  How far they move, though, is known.
"""

import torch
from torch import Tensor

from models.adf.manner import FACE_DOUBT, PIECE, trust
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


def brow_range(basis: MotionBasis, brows: Tensor, motion: Tensor) -> float:
    """How far the brows usually move in motion [N, K]: median over pieces of 4 s, of the standard deviation in mm, root
    mean square over brow points.

    The median, because brows that were raised once are not to be raised everywhere.
    """
    values, vectors = torch.linalg.eigh(basis.synthesis @ brows @ basis.synthesis.T)
    moved = motion @ vectors * values.clamp_min(0.0).sqrt()
    pieces = moved.tensor_split(max(1, round(len(moved) / PIECE)))
    return float(torch.stack([piece.var(0, correction=0).sum().sqrt() for piece in pieces]).median())


def brow_gain(basis: MotionBasis, brows: Tensor, made: Tensor, real: Tensor) -> float:
    """By how much the brows of ``made`` motion [N, K] fall short of those of ``real`` motion [M, K]: 1 to MOST, drawn
    to 1 for few frames of made motion."""
    ratio = brow_range(basis, brows, real) / max(brow_range(basis, brows, made), 1e-6)
    return min(max(ratio, 1.0), MOST) ** trust(len(made), FACE_DOUBT)


def enlarged(basis: MotionBasis, brows: Tensor, others: Tensor, gain: float) -> Tensor:
    """Matrix [K, K] that makes the brows' part of motion (row vector, z @ matrix) ``gain`` times as large."""
    return torch.eye(basis.synthesis.shape[0]) + (gain - 1.0) * brow_part(basis, brows, others)
