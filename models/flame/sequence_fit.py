"""All frames together: every frame's landmarks, priors, and terms that tie neighbouring frames.

The Gauss-Newton matrix is block pentadiagonal (first and second differences in time); its banded Cholesky
factorisation solves a whole clip at once.  A frame without landmarks takes part with the temporal terms alone, which
is what interpolates short gaps.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import solveh_banded
from torch import Tensor

from models.flame.landmark_fit import FramePrior, Observations, frame_cost, normal_equations
from models.flame.landmark_model import LandmarkModel

CHUNK = 128
"""Frames linearised at a time: bounds memory, not results."""


@dataclass(frozen=True)
class Smoothness:
    """Standard deviations of a parameter's first and second difference from frame to frame (inf: not tied).

    first: [P], or [N - 1, P] for the differences of N frames; second: [P] or [N - 2, P].
    """

    first: Tensor
    second: Tensor


def fit_sequence(
    model: LandmarkModel,
    start: Tensor,
    observed: Observations,
    prior: FramePrior,
    smoothness: Smoothness,
    iterations: int = 8,
    tolerance: float = 1e-3,
    progress: Callable[[int, float], None] | None = None,
    workers: int = 2,
) -> Tensor:
    """Parameters [N, P] (float64) of N consecutive frames, Levenberg-Marquardt from ``start`` [N, P].

    model: of one identity (``LandmarkModel.personal``); its dtype is the precision of the linearisation.
    Stops after ``iterations`` steps or when the cost falls by less than ``tolerance`` of itself.
    progress(iteration, cost) is called after every accepted step.  workers: threads that linearise chunks of frames;
    the result does not depend on their number.
    """
    x = start.double().clone()
    first, second = smoothness.first.double().pow(-2), smoothness.second.double().pow(-2)
    prior = prior.to(torch.float64)
    damping = 1e-3
    cost = _cost(model, x, observed, prior, first, second, workers)
    for iteration in range(iterations):
        band, gradient = _assemble(model, x, observed, prior, first, second, workers)
        diagonal = band[0].copy()
        improved = False
        for _ in range(6):
            band[0] = diagonal * (1 + damping)
            step = solveh_banded(band, gradient, lower=True, check_finite=False)
            moved = x - torch.from_numpy(step).reshape(x.shape)
            new_cost = _cost(model, moved, observed, prior, first, second, workers)
            if new_cost < cost:
                improved = True
                break
            damping *= 10
        if not improved:
            break
        gain = (cost - new_cost) / cost
        x, cost = moved, new_cost
        damping = max(damping / 5, 1e-8)
        if progress is not None:
            progress(iteration, cost)
        if gain < tolerance:
            break
    return x


def _cost(
    model: LandmarkModel,
    x: Tensor,
    observed: Observations,
    prior: FramePrior,
    first: Tensor,
    second: Tensor,
    workers: int,
) -> float:
    total = prior.terms(x)[0].sum()
    total += (x.diff(dim=0).square() * first).sum() + (x.diff(n=2, dim=0).square() * second).sum()
    low = x.to(model.rest.dtype)
    for _, cost in _by_chunk(frame_cost, model, low, observed, workers):
        total += cost.double().sum()
    return float(total)


def _by_chunk(function: Callable, model: LandmarkModel, x: Tensor, observed: Observations, workers: int) -> Iterator:
    """Yield (rows, function(model, x[rows], observed, rows)) in order, ``workers`` of them in the making."""
    parts = [slice(begin, min(begin + CHUNK, len(x))) for begin in range(0, len(x), CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        for batch in range(0, len(parts), workers):
            rows = parts[batch : batch + workers]
            yield from zip(rows, pool.map(lambda r: function(model, x[r], observed, r), rows), strict=True)


def _assemble(
    model: LandmarkModel,
    x: Tensor,
    observed: Observations,
    prior: FramePrior,
    first: Tensor,
    second: Tensor,
    workers: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower band [2 P + 1, N P] of the Gauss-Newton matrix and the gradient/2 [N P]."""
    frames, size = x.shape
    band = np.zeros((2 * size + 1, frames, size))
    _, gradient, curvature = prior.terms(x)
    rows_index, columns_index = np.tril_indices(size)
    low = x.to(model.rest.dtype)
    for rows, (_, slope, matrix) in _by_chunk(normal_equations, model, low, observed, workers):
        gradient[rows] += slope.double()
        block = matrix.double().numpy()
        band[rows_index - columns_index, rows, columns_index] = block[:, rows_index, columns_index].T
    band[0] += curvature.numpy()
    gradient_numpy = gradient.numpy()
    positions = x.numpy()
    for weight, order in ((first.numpy(), 1), (second.numpy(), 2)):
        if frames <= order:
            continue
        stencil = np.array([-1.0, 1.0] if order == 1 else [1.0, -2.0, 1.0])
        difference = np.diff(positions, n=order, axis=0) * weight
        span = frames - order
        for i, left in enumerate(stencil):
            gradient_numpy[i : i + span] += left * difference
            for j in range(i, len(stencil)):
                band[(j - i) * size, i : i + span] += left * stencil[j] * weight
    return band.reshape(2 * size + 1, -1), gradient_numpy.reshape(-1)
