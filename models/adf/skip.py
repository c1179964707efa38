"""Closed-form predictor of motion from speech: the skip path of the expression branch, and the ridge baseline.

Kernel ridge regression (Saunders et al. 1998): y(x) = mean + k(x, support) alpha with
alpha = (K + ridge I)^-1 (Y - mean).  With a minute of one person's speech it is a strong predictor; the network
only has to learn what it gets wrong.
"""

import torch
from torch import Tensor, nn

from models.adf.speech import context_windows


def ridge_regression(x: Tensor, y: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Weights [P, Q] and bias [Q] that minimise |x w + b - y|^2 + ridge * N * v * |w|^2, v the mean variance of x.

    x [N, P], y [N, Q]; solved in float64 in the smaller of the two spaces.
    """
    x, y = x.double(), y.double()
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = x - mean_x, y - mean_y
    penalty = ridge * len(x) * float(x.square().mean())
    if len(x) < x.shape[1]:
        weights = x.T @ torch.linalg.solve(x @ x.T + penalty * torch.eye(len(x), dtype=x.dtype), y)
    else:
        weights = torch.linalg.solve(x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)
    return weights.float(), (mean_y - mean_x @ weights).float()


LEAD = 2  # frames by which the middle of what is heard lies after the frame: mouths take their shapes before the sound


class KernelSkip(nn.Module):
    """Gaussian-kernel ridge regression from speech windows to the normalised expression branch.

    Neighbouring frames count less with distance from the window's middle (Gaussian of ``spread`` frames).  The kernel's
    width is relative to the training windows: exp(-bandwidth * d^2 / mean squared norm).
    """

    support: Tensor
    alpha: Tensor
    centre: Tensor
    norm: Tensor
    offset: Tensor

    def __init__(
        self,
        channels: int,
        targets: int,
        radius: int,
        supports: int,
        spread: float = 4.0,
        bandwidth: float = 0.7,
        ridge: float = 0.3,
    ):
        super().__init__()
        self.radius, self.spread, self.bandwidth, self.ridge = radius, spread, bandwidth, ridge
        wide = (2 * radius + 1) * channels
        self.register_buffer("support", torch.zeros(supports, wide))
        self.register_buffer("alpha", torch.zeros(supports, targets))
        self.register_buffer("centre", torch.zeros(wide))
        self.register_buffer("norm", torch.ones(()))
        self.register_buffer("offset", torch.zeros(targets))

    @classmethod
    def like(cls, other: "KernelSkip") -> "KernelSkip":
        """An unfitted one of the same sizes and constants."""
        channels = other.support.shape[1] // (2 * other.radius + 1)
        sizes = (channels, other.alpha.shape[1], other.radius, len(other.support))
        return cls(*sizes, other.spread, other.bandwidth, other.ridge)

    def windows(self, x: Tensor) -> Tensor:
        """Speech [N, channels] -> weighted windows [N, wide]."""
        offsets = torch.arange(-self.radius, self.radius + 1, device=x.device)
        weight = torch.exp(-0.5 * (offsets / self.spread) ** 2).repeat_interleave(x.shape[1])
        return context_windows(x, self.radius, LEAD) * weight

    def _kernel(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-self.bandwidth * torch.cdist(a, b, compute_mode="use_mm_for_euclid_dist").square())

    @torch.no_grad()
    def fit(self, windows: Tensor, motion: Tensor) -> None:
        """windows [N, wide] (of ``windows``), motion [N, targets].

        With more rows than supports, evenly spaced rows support the function and all rows fit it (Nystroem).
        """
        count = len(self.support)
        self.centre.copy_(windows.mean(0))
        x = windows - self.centre
        self.norm.copy_(x.square().sum(1).mean().sqrt().clamp_min(1e-6))
        x = x / self.norm
        self.offset.copy_(motion.mean(0))
        chosen = torch.linspace(0, len(x) - 1, min(count, len(x))).round().long()
        centres = x[chosen]
        self.support.zero_()
        self.alpha.zero_()
        self.support[: len(chosen)] = centres
        inner = self._kernel(centres.double(), centres.double())
        target = (motion - self.offset).double()
        eye = torch.eye(len(chosen), dtype=torch.float64)
        if len(chosen) == len(x):
            solution = torch.linalg.solve(inner + self.ridge * eye, target)
        else:
            outer = self._kernel(x.double(), centres.double())
            solution = torch.linalg.solve(outer.T @ outer + self.ridge * inner + 1e-6 * eye, outer.T @ target)
        self.alpha[: len(chosen)] = solution.float()

    def over(self, heard: Tensor, block: int = 2000) -> Tensor:
        """Motion [N, targets] for speech [N, channels] of any length, ``block`` frames at a time (bounded memory)."""
        reach = self.radius + LEAD
        parts = []
        for start in range(0, len(heard), block):
            first, stop = max(start - reach, 0), min(start + block, len(heard))
            windows = self.windows(heard[first : min(stop + reach, len(heard))])
            parts.append(self(windows[start - first : stop - first]))
        return torch.cat(parts)

    def forward(self, windows: Tensor) -> Tensor:
        """windows [N, wide] -> motion [N, targets]."""
        return self.offset + self._kernel((windows - self.centre) / self.norm, self.support) @ self.alpha
