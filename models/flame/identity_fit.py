"""One identity and one focal length from a few frames: Gauss-Newton on all of their parameters together.

The frames' own parameters are eliminated by the Schur complement, as in bundle adjustment (Triggs et al. 2000).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.flame.landmark_fit import FramePrior, Observations, robust_weights
from models.flame.landmark_model import LandmarkModel


@dataclass
class IdentityFit:
    """shape [S]; focal (pixels); parameters [K, P] of the frames; cost at the end; iterations that were accepted."""

    shape: Tensor
    focal: float
    parameters: Tensor
    cost: float
    iterations: int


def fit_identity(
    model: LandmarkModel,
    start: Tensor,
    observed: Observations,
    prior: FramePrior,
    focal_spread: float = 0.4,
    shape_precision: float = 1.0,
    iterations: int = 25,
    shape: Tensor | None = None,
) -> IdentityFit:
    """Fit identity, focal length and the parameters of K frames (float64).

    start [K, P]: first guess; observed: landmarks of the same frames, with the expected focal length, whose
    logarithm has standard deviation ``focal_spread``.  Identity coefficients have mean zero and precision
    ``shape_precision`` a priori: more than one, because every frame shows the same misfit again, and a detector's idea
    of a face and the model's differ by more than the picture noise.  shape [S]: identity to start from (mean: none).
    """
    expected = torch.tensor(observed.focal, dtype=torch.float64).log()
    size = model.shape_size

    def current(state: Tensor) -> LandmarkModel:
        moved = model.personal(state[:size])
        return replace(moved, shape_basis=model.shape_basis, joints_basis=model.joints_basis)

    def total(state: Tensor, x: Tensor) -> Tensor:
        uv = current(state).project(x, float(state[size].exp()), observed.size)
        cost, _ = robust_weights((uv - observed.uv) / observed.scale, observed.weight)
        own = shape_precision * state[:size].square().sum() + ((state[size] - expected) / focal_spread) ** 2
        return cost.sum() + prior.terms(x)[0].sum() + own

    begin = torch.zeros(size, dtype=torch.float64) if shape is None else shape.double()
    state = torch.cat([begin, expected[None]])
    x = start.clone()
    own_precision = torch.cat([torch.full((size,), shape_precision), torch.tensor([focal_spread**-2])]).double()
    damping = 1e-2
    cost = total(state, x)
    accepted = 0
    for _ in range(iterations):
        uv, frame_jacobian, shared_jacobian = current(state).linearise(
            x, float(state[size].exp()), observed.size, identity=True
        )
        residual = (uv - observed.uv) / observed.scale
        root = robust_weights(residual, observed.weight)[1].sqrt()[..., None]
        error = (residual * root).flatten(1, 2)
        a = (frame_jacobian * (root / observed.scale)[..., None]).flatten(1, 2)  # [K, 2L, P]
        b = (shared_jacobian * (root / observed.scale)[..., None]).flatten(1, 2)  # [K, 2L, S + 1]
        _, prior_gradient, prior_curvature = prior.terms(x)
        haa = a.transpose(1, 2) @ a + torch.diag_embed(prior_curvature)
        hab = a.transpose(1, 2) @ b
        offset = torch.cat([state[:size], (state[size] - expected)[None]])
        hbb = (b.transpose(1, 2) @ b).sum(0) + torch.diag(own_precision)
        ga = (a.transpose(1, 2) @ error[..., None])[..., 0] + prior_gradient
        gb = (b.transpose(1, 2) @ error[..., None]).sum(0)[:, 0] + own_precision * offset
        improved = False
        for _ in range(6):
            damped = haa + damping * torch.diag_embed(haa.diagonal(dim1=1, dim2=2))
            factor = torch.linalg.cholesky(damped)
            solved = torch.cholesky_solve(torch.cat([hab, ga[..., None]], -1), factor)
            schur = hbb + damping * torch.diag(hbb.diagonal()) - (hab.transpose(1, 2) @ solved[..., :-1]).sum(0)
            right = gb - (hab.transpose(1, 2) @ solved[..., -1:]).sum(0)[:, 0]
            step = torch.linalg.solve(schur, right)
            frame_step = solved[..., -1] - (solved[..., :-1] @ step)
            new_cost = total(state - step, x - frame_step)
            if new_cost < cost:
                improved = True
                break
            damping *= 10
        if not improved:
            break
        gain = float((cost - new_cost) / cost)
        state, x, cost = state - step, x - frame_step, new_cost
        damping = max(damping / 5, 1e-7)
        accepted += 1
        if gain < 1e-4:
            break
    return IdentityFit(state[:size], float(state[size].exp()), x, float(cost), accepted)
