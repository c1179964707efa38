"""What the tracker minimises: weighted, robust landmark residuals and priors on a frame's parameters.

Residuals are measured in units of ``NOISE`` times the face's width in the picture, so that one set of weights fits
every resolution; the landmarks of a mesh detector err together, so all of them together count like
``EFFECTIVE_POINTS`` independent ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from models.flame.landmark_model import EXPRESSION, EYES, JAW, POSE_SIZE, LandmarkModel

NOISE = 0.008
"""Expected landmark error as a share of the face width."""
EFFECTIVE_POINTS = 60.0
ROBUST = 3.0
"""Residual in units of the noise from which a landmark counts less (Cauchy)."""

LIKE_THE_JAW = ("jawForward", "mouthClose", "mouthFunnel", "mouthLowerDown", "mouthRollLower", "mouthShrugLower")
"""Actions that move the lower lip and the chin much as the turning jaw does.  Landmarks see where they are, not why:
with equal priors one motion is shared out between all of these, and the jaw's angle comes out small and impure."""
JAW_FIRST = 0.05
"""Factor on the standard deviation of those actions in the first pass: the jaw explains what it can, they the rest."""
JAW_HELD = 0.02
"""Radians (standard deviation) by which the jaw may leave the first pass's angle in the second, in which those actions
are free: while they are stiff, lips that hardly part are not followed (a real clip: 63 % of their opening)."""
SLIGHTLY_OPEN = 0.08
"""Radians: the jaw's turn at which its motion is compared with the actions'."""
JAW_SHARE = 0.01
"""Radians (standard deviation) of the turn of the jaw that those actions together may stand in for in the second pass;
mouthClose alone can undo 14 degrees of it."""


def unbounded(expression_range: Tensor) -> Tensor:
    """bool [E]: coefficients whose range [E, 2] has no ends, because they are standard normal components."""
    return ~torch.isfinite(expression_range).all(1)


def range_width(expression_range: Tensor) -> Tensor:
    """Width [E] of the coefficients' ranges [E, 2]; of an unbounded one, that of its bulk: from -1 to 1."""
    width = expression_range[:, 1] - expression_range[:, 0]
    return torch.where(unbounded(expression_range), torch.full_like(width, 2.0), width)


@dataclass(frozen=True)
class FramePrior:
    """Independent Gaussians on the parameters of one frame, and soft walls round their range.

    mean [P], or [B, P] for B frames; precision, low, high [P]; wall: precision of the quadratic wall outside low..high.
    direction [P]: a combination of parameters that is zero a priori, in units of its deviation (None: there is none).
    """

    mean: Tensor
    precision: Tensor
    low: Tensor
    high: Tensor
    wall: float = 400.0
    direction: Tensor | None = None

    @classmethod
    def of(cls, expression_range: Tensor, dtype: torch.dtype, spread: float = 0.5) -> "FramePrior":
        """Prior for expression coefficients with ranges [E, 2]; spread: standard deviation in ranges.

        Unbounded coefficients (principal components) are standard normal and have no wall.
        """
        size = POSE_SIZE + len(expression_range)
        deviation = torch.full((size,), torch.inf, dtype=dtype)
        low, high = torch.full_like(deviation, -torch.inf), torch.full_like(deviation, torch.inf)
        # A jaw opens by up to 25 degrees and hardly turns; eyes turn by up to 30 and do not roll.
        deviation[JAW] = torch.tensor([0.35, 0.03, 0.02], dtype=dtype)
        low[JAW.start], high[JAW.start] = -0.02, 0.6
        deviation[EYES] = torch.tensor([0.4, 0.4, 0.01] * 2, dtype=dtype)
        limits = expression_range.to(dtype)
        deviation[EXPRESSION] = spread * range_width(limits)
        deviation[EXPRESSION][unbounded(limits)] = 1.0
        low[EXPRESSION], high[EXPRESSION] = limits.T
        return cls(torch.zeros(size, dtype=dtype), deviation.pow(-2), low, high)

    def jaw_first(self, names: Sequence[str]) -> "FramePrior":
        """The same with those of the named expression coefficients stiffened that the jaw can stand in for."""
        precision = self.precision.clone()
        for i, name in enumerate(names):
            if name.startswith(LIKE_THE_JAW):
                precision[POSE_SIZE + i] /= JAW_FIRST**2
        return replace(self, precision=precision)

    def with_jaw_share(self, share: Tensor) -> "FramePrior":
        """The same with little of the jaw's turn in the other parameters (``jaw_share`` [P])."""
        return replace(self, direction=share.to(self.precision) / JAW_SHARE)

    def with_jaw(self, parameters: Tensor) -> "FramePrior":
        """The same with the jaw held near the one of ``parameters`` [B, P], for a fit of these frames."""
        mean = self.mean.expand(parameters.shape).clone()
        mean[:, JAW] = parameters[:, JAW].to(mean)
        precision = self.precision.clone()
        precision[JAW] = JAW_HELD**-2
        return replace(self, mean=mean, precision=precision)

    def to(self, dtype: torch.dtype) -> "FramePrior":
        return replace(
            self,
            mean=self.mean.to(dtype),
            precision=self.precision.to(dtype),
            low=self.low.to(dtype),
            high=self.high.to(dtype),
            direction=None if self.direction is None else self.direction.to(dtype),
        )

    @property
    def coupling(self) -> Tensor | None:
        """Curvature/2 [P, P] of the direction's term, the only one that is not diagonal."""
        return None if self.direction is None else torch.outer(self.direction, self.direction)

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cost [B], gradient/2 [B, P] and diagonal curvature/2 [B, P], without ``coupling``, at parameters [B, P]."""
        outside = (x - self.high).clamp_min(0) - (self.low - x).clamp_min(0)
        offset = x - self.mean
        cost = (self.precision * offset.square() + self.wall * outside.square()).sum(1)
        gradient = self.precision * offset + self.wall * outside
        if self.direction is not None:
            along = x @ self.direction
            cost = cost + along.square()
            gradient = gradient + along[:, None] * self.direction
        return cost, gradient, self.precision + self.wall * (outside != 0).to(x.dtype)


@dataclass
class Observations:
    """Landmarks of B frames.

    uv [B, L, 2]: pixels (NaN rows: no face); weight [L]: trust in each landmark; face_width: pixels, one for all.
    """

    uv: Tensor
    weight: Tensor
    face_width: float
    focal: float
    size: float
    present: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.present = torch.isfinite(self.uv).all(-1).all(-1)
        self.uv = torch.where(self.present[:, None, None], self.uv, torch.zeros_like(self.uv))
        self.weight = self.weight * (EFFECTIVE_POINTS / self.weight.sum())

    @property
    def scale(self) -> float:
        """Pixels of one unit of residual."""
        return NOISE * self.face_width


def landmark_weights(groups: Mapping[str, tuple[Tensor, float]], landmarks: int) -> Tensor:
    """Weights [L]: 1 unless a group (index, weight) says otherwise; later groups win."""
    weights = torch.ones(landmarks, dtype=torch.float64)
    for index, value in groups.values():
        weights[index] = value
    return weights


def robust_weights(residual: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Cauchy cost [B] and weights [B, L] of normalised residuals [B, L, 2] with trust [L]."""
    square = residual.square().sum(-1) / ROBUST**2
    return (weight * ROBUST**2 * torch.log1p(square)).sum(-1), weight / (1 + square)


def frame_cost(model: LandmarkModel, x: Tensor, observed: Observations, rows: slice) -> Tensor:
    """Robust landmark cost [B] of the frames ``rows`` at parameters [B, P]."""
    residual = (model.project(x, observed.focal, observed.size) - observed.uv[rows]) / observed.scale
    return robust_weights(residual, observed.weight)[0] * observed.present[rows]


def normal_equations(
    model: LandmarkModel, x: Tensor, observed: Observations, rows: slice
) -> tuple[Tensor, Tensor, Tensor]:
    """Cost [B], gradient/2 [B, P] and Gauss-Newton matrix [B, P, P] of the landmark term."""
    uv, jacobian, _ = model.linearise(x, observed.focal, observed.size)
    residual = (uv - observed.uv[rows]) / observed.scale
    cost, weight = robust_weights(residual, observed.weight)
    weight = weight * observed.present[rows, None]
    root = weight.sqrt()[..., None]
    flat = (jacobian * (root / observed.scale)[..., None]).flatten(1, 2)
    error = (residual * root).flatten(1, 2)
    gradient = (flat.transpose(1, 2) @ error[..., None])[..., 0]
    return cost * observed.present[rows], gradient, flat.transpose(1, 2) @ flat


def jaw_share(model: LandmarkModel, weight: Tensor, names: Sequence[str]) -> Tensor:
    """Radians [P] of the turn of the jaw whose motion of the landmarks one unit of each action comes nearest to.

    model: of one identity; weight [L]: trust in each landmark.  Least squares at a slightly open jaw; 0 for parameters
    that are no such action.
    """
    size = POSE_SIZE + model.expression_size
    x = torch.zeros(2, size, dtype=model.rest.dtype)
    x[:, JAW.start] = torch.tensor([SLIGHTLY_OPEN, SLIGHTLY_OPEN + 0.01])
    closed, opened = model.points(x)
    jaw = (opened - closed) / 0.01
    trust = weight.to(jaw)[:, None]
    share = torch.zeros(size, dtype=jaw.dtype)
    for i, name in enumerate(names):
        if name.startswith(LIKE_THE_JAW):
            share[POSE_SIZE + i] = (trust * model.expression_basis[:, :, i] * jaw).sum() / (trust * jaw * jaw).sum()
    return share
