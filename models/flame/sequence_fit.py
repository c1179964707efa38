"""All frames together: every frame's landmarks, priors, and terms that tie neighbouring frames.

The Gauss-Newton matrix is block pentadiagonal (first and second differences in time); its banded Cholesky
factorisation solves a stretch of frames at once.  A frame without landmarks takes part with the temporal terms alone,
which is what interpolates short gaps.

The matrix takes some 70 kB a frame.  So that a long clip does not fill the memory, a step is solved in windows that
overlap: what a frame's step owes to another frame fades with their distance, and where a window's own part ends, its
margin has taken up what lies beyond.  Damping, cost and the decision to stop are the whole clip's.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.linalg import solveh_banded
from torch import Tensor

from models.flame.landmark_fit import FramePrior, Observations, frame_cost, normal_equations
from models.flame.landmark_model import LandmarkModel

CHUNK = 128
"""Frames linearised at a time: bounds memory, not results."""
WINDOW = 2048
"""Most frames solved at a time without their margins."""
MARGIN = 96
"""Frames on either side of a window that are solved with it and not kept."""


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
    problem = _Problem(model, observed, prior.to(torch.float64), first, second, workers)
    damping = 1e-3
    cost = problem.cost(x)
    for iteration in range(iterations):
        improved = False
        step = _Step(problem, x)
        for _ in range(6):
            moved = x - step.damped(damping)
            new_cost = problem.cost(moved)
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


def windows(frames: int, size: int = WINDOW, margin: int = MARGIN) -> list[tuple[slice, slice]]:
    """(core, reach) of the windows over ``frames`` frames: cores share the frames out, reach adds the margins."""
    count = max(1, -(-frames // size))
    edges = [frames * i // count for i in range(count + 1)]
    return [(slice(a, b), slice(max(a - margin, 0), min(b + margin, frames))) for a, b in pairwise(edges)]


@dataclass(frozen=True)
class _Problem:
    """What is minimised over N frames.  first, second: weights of the differences, as in ``Smoothness``."""

    model: LandmarkModel
    observed: Observations
    prior: FramePrior
    first: Tensor
    second: Tensor
    workers: int

    def cost(self, x: Tensor) -> float:
        total = self.prior.terms(x)[0].sum()
        total += (x.diff(dim=0).square() * self.first).sum() + (x.diff(n=2, dim=0).square() * self.second).sum()
        for _, cost in self._by_chunk(frame_cost, x, slice(0, len(x))):
            total += cost.double().sum()
        return float(total)

    def linearised(self, x: Tensor, reach: slice) -> tuple[np.ndarray, np.ndarray]:
        """Lower band [2 P + 1, R P] of the Gauss-Newton matrix and the gradient/2 [R P] of the R frames of ``reach``.

        x [N, P]: all frames.
        """
        frames, size = reach.stop - reach.start, x.shape[1]
        band = np.zeros((2 * size + 1, frames, size))
        gradient, curvature = (term[reach].clone() for term in self.prior.terms(x)[1:])
        rows_index, columns_index = np.tril_indices(size)
        coupling = 0.0 if self.prior.coupling is None else self.prior.coupling.numpy()
        for seen, (_, slope, matrix) in self._by_chunk(normal_equations, x, reach):
            rows = slice(seen.start - reach.start, seen.stop - reach.start)
            gradient[rows] += slope.double()
            block = matrix.double().numpy() + coupling
            band[rows_index - columns_index, rows, columns_index] = block[:, rows_index, columns_index].T
        band[0] += curvature.numpy()
        gradient_numpy = gradient.numpy()
        positions = x[reach].numpy()
        for weights, order in ((self.first, 1), (self.second, 2)):
            if frames <= order:
                continue
            weight = _within(weights, reach, order).numpy()
            stencil = np.array([-1.0, 1.0] if order == 1 else [1.0, -2.0, 1.0])
            difference = np.diff(positions, n=order, axis=0) * weight
            span = frames - order
            for i, left in enumerate(stencil):
                gradient_numpy[i : i + span] += left * difference
                for j in range(i, len(stencil)):
                    band[(j - i) * size, i : i + span] += left * stencil[j] * weight
        return band.reshape(2 * size + 1, -1), gradient_numpy.reshape(-1)

    def _by_chunk(self, function: Callable, x: Tensor, reach: slice) -> Iterator:
        """Yield (rows, function(model, x[rows], observed, rows)) for the frames of ``reach`` in order, ``workers`` of
        them in the making."""
        low = x.to(self.model.rest.dtype)
        parts = [slice(begin, min(begin + CHUNK, reach.stop)) for begin in range(reach.start, reach.stop, CHUNK)]
        with ThreadPoolExecutor(self.workers) as pool:
            for batch in range(0, len(parts), self.workers):
                rows = parts[batch : batch + self.workers]
                made = pool.map(lambda r: function(self.model, low[r], self.observed, r), rows)
                yield from zip(rows, made, strict=True)


def _within(weight: Tensor, reach: slice, order: int) -> Tensor:
    """The weights of the differences between the frames of ``reach``; [P] holds for all of them."""
    return weight if weight.dim() == 1 else weight[reach.start : reach.stop - order]


class _Step:
    """The Gauss-Newton step at ``x`` [N, P] for any damping."""

    def __init__(self, problem: _Problem, x: Tensor):
        self._problem, self._x = problem, x
        self._parts = windows(len(x))
        self._kept: tuple[np.ndarray, np.ndarray] | None = None

    def damped(self, damping: float) -> Tensor:
        """[N, P]: solves (H + damping diag(H)) step = gradient / 2, window by window."""
        step = torch.empty_like(self._x)
        for core, reach in self._parts:
            band, gradient = self._linearised(reach)
            diagonal = band[0].copy()
            band[0] *= 1 + damping
            solved = solveh_banded(band, gradient, lower=True, check_finite=False)
            band[0] = diagonal
            kept = slice(core.start - reach.start, core.stop - reach.start)
            step[core] = torch.from_numpy(solved).reshape(-1, self._x.shape[1])[kept]
        return step

    def _linearised(self, reach: slice) -> tuple[np.ndarray, np.ndarray]:
        if self._kept is not None:
            return self._kept
        made = self._problem.linearised(self._x, reach)
        if len(self._parts) == 1:  # another damping needs it again; of several windows it would fill the memory
            self._kept = made
        return made
