"""Gate and gain of the expression branch, in closed form from predictions of frames that were not trained on."""

import torch
from torch import Tensor

MAX_GAIN = 1.6
RELIABLE = 0.5  # correlation from which on a direction of predicted motion is worth amplifying


def best_gate(skipped: Tensor, decoded: Tensor, truth: Tensor) -> Tensor:
    """g in 0..1 that makes skipped + g (decoded - skipped) nearest to the truth [N, K] in the least-squares sense.

    Drawn half-way to 1/2: the held-back frames have already chosen when to stop training, and so flatter the codes.
    """
    step, miss = decoded - skipped, truth - skipped
    best = (step * miss).sum() / step.square().sum().clamp_min(1e-9)
    return 0.5 * (best + 0.5).clamp(0.0, 2.0)


def shrinkage(predicted: Tensor, truth: Tensor) -> Tensor:
    """s in 0..1 that makes s * predicted nearest to the truth [N, K] in the least-squares sense."""
    return ((predicted * truth).sum() / predicted.square().sum().clamp_min(1e-9)).clamp(0.0, 1.0)


def gain_matrix(
    every: Tensor, real: Tensor, skipped: Tensor, fused: Tensor, lively: float
) -> tuple[Tensor, list[float]]:
    """Symmetric matrix [K, K] that brings predicted motion z (row vector, z @ matrix) to a truer spread, and its gains.

    every, real [N, K]: out-of-fold predictions of the skip path for all training frames, and the truth.
    skipped, fused [M, K]: skip path and fused motion on the held-back frames.  In every principal direction of
    predicted motion whose correlation with the truth is at least RELIABLE (for a speaker above all the mouth opening)
    the gain is spread of the truth over spread of the prediction times ``lively``, 1 to MAX_GAIN; in the others 1, as
    there it would mostly amplify errors.
    """
    directions = torch.linalg.svd(every - every.mean(0), full_matrices=False)[2]
    matrix, gains = torch.eye(every.shape[1]), []
    for direction in directions:
        guess, fact = every @ direction, real @ direction
        # Not "< RELIABLE": a direction that never moves has no correlation (NaN).
        if not float(torch.corrcoef(torch.stack([guess, fact]))[0, 1]) >= RELIABLE:
            continue
        # How far the skip path falls short shows on all frames; what the codes add to it or take from it only on the
        # held-back ones, which are few: hence the narrow bounds.
        added = (_spread(fused @ direction) / _spread(skipped @ direction)).clamp(0.8, 1.25)
        gain = float((lively * _spread(fact) / (_spread(guess) * added)).clamp(1.0, MAX_GAIN))
        gains.append(gain)
        matrix += (gain - 1.0) * torch.outer(direction, direction)
    return matrix, gains


def _spread(x: Tensor) -> Tensor:
    return x.std(correction=0).clamp_min(1e-6)
