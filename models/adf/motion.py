"""The two branches of motion and the coordinates in which they are learned.

expression branch [.., E + 9]: expression coefficients, jaw (3), eyes (6).
pose branch       [.., 9]:     global rotation (3), neck rotation (3), translation (3).

Rotations are axis-angle in radians, translations metres; for the small rotations of a talking head axis-angle
vectors may be averaged and interpolated as they are.
"""

import torch
from torch import Tensor, nn

JAW, EYES, POSE = 3, 6, 9
LEVER = 0.1  # metres from the neck joint to the face: makes a rotation and a translation comparable


def expression_channels(expression: int) -> int:
    """Width of the expression branch for ``expression`` coefficients."""
    return expression + JAW + EYES


def pose_metric() -> Tensor:
    """Metric [9, 9] of the pose branch: squared metres that the face moves."""
    return torch.diag(torch.tensor([LEVER**2] * 6 + [1.0] * 3))


def plain_metric(data: Tensor) -> Tensor:
    """Metric [E + 9, E + 9] where the head's geometry is not known: each of expression, jaw and eyes counts by its
    own root mean square spread in ``data`` [N, E + 9], the eyes a tenth."""
    coefficients = data.shape[1] - JAW - EYES
    spread = data.var(0, correction=0)
    weights = []
    for block, weight in zip(spread.split([coefficients, JAW, EYES]), (1.0, 1.0, 0.1), strict=True):
        weights.append(torch.full_like(block, weight / float(block.mean().clamp_min(1e-10))))
    return torch.diag(torch.cat(weights))


class MotionBasis(nn.Module):
    """x [.., channels] <-> z [.., components]: principal components of motion under a metric.

    With metric M (squared length of a change dx is dx^T M dx, for instance the squared displacement of face vertices
    in millimetres) the Euclidean distance of two z is, up to a common factor, that length.  So a squared error of z is
    a vertex error, coefficients that cancel each other out cost nothing, and directions that the training part never
    moves in stay at its mean.  The mean square of z over training frames and components is one.
    """

    mean: Tensor
    analysis: Tensor
    synthesis: Tensor

    def __init__(self, channels: int, components: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("analysis", torch.zeros(channels, components))
        self.register_buffer("synthesis", torch.zeros(components, channels))

    @torch.no_grad()
    def fit(self, data: Tensor, metric: Tensor) -> float:
        """data [N, channels], metric [channels, channels]; returns the share of squared length that is kept."""
        mean = data.mean(0)
        centred, metric = (data - mean).double(), metric.double()
        # Directions without geometric effect still need an inverse: a thousandth of the mean weight each.
        ridge = 1e-3 * metric.diagonal().mean()
        root = torch.linalg.cholesky(metric + ridge * torch.eye(len(metric), dtype=torch.float64))
        _, values, rows = torch.linalg.svd(centred @ root, full_matrices=False)
        kept = int((values > 1e-6 * values[0]).sum()) if len(values) and values[0] > 0 else 0
        kept = min(kept, self.synthesis.shape[0])
        scale = max(float((values[:kept].square().sum() / len(data) / self.synthesis.shape[0]).sqrt()), 1e-9)
        self.mean.copy_(mean)
        self.analysis.zero_()
        self.synthesis.zero_()
        self.analysis[:, :kept] = (root @ rows[:kept].T / scale).float()
        self.synthesis[:kept] = (torch.linalg.solve(root.T, rows[:kept].T).T * scale).float()
        total = float(values.square().sum())
        return float(values[:kept].square().sum()) / total if total else 1.0

    @torch.no_grad()
    def centre(self, data: Tensor, metric: Tensor | None = None) -> float:
        """Keep the directions, take the mean of ``data`` [N, channels]; returns the share of squared length (under
        ``metric``, else the plain one) of its motion that the directions hold."""
        self.mean.copy_(data.mean(0))
        centred = data - self.mean
        missed = centred - centred @ self.analysis @ self.synthesis
        metric = torch.eye(data.shape[1]) if metric is None else metric
        total = float(((centred @ metric) * centred).sum())
        return 1.0 - float(((missed @ metric) * missed).sum()) / total if total > 0 else 1.0

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.analysis

    def inverse(self, z: Tensor) -> Tensor:
        return z @ self.synthesis + self.mean
