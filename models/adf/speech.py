"""What the ADF hears: speech features reduced by the training part's principal components, and loudness."""

import torch
from torch import Tensor, nn

SILENCE_DB = -80.0  # quieter than any recording's floor; digital silence is brought up to it


class SpeechFront(nn.Module):
    """features [N, C], energy [N] dBFS -> [N, components + 1]: principal components, then energy, each with zero
    mean and unit variance in the training part."""

    mean: Tensor
    basis: Tensor
    energy_mean: Tensor
    energy_scale: Tensor

    def __init__(self, channels: int, components: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("basis", torch.zeros(channels, components))
        self.register_buffer("energy_mean", torch.zeros(()))
        self.register_buffer("energy_scale", torch.ones(()))

    @property
    def channels(self) -> int:
        """Width of the output."""
        return self.basis.shape[1] + 1

    @torch.no_grad()
    def fit(self, features: Tensor, energy: Tensor) -> None:
        """features [N, C], energy [N] of the training part."""
        self.mean.copy_(features.mean(0))
        _, values, rows = torch.linalg.svd((features - self.mean).double(), full_matrices=False)
        kept = min(self.basis.shape[1], len(rows))
        kept = min(kept, int((values > 1e-5 * values[0]).sum()))
        scale = values[:kept] / len(features) ** 0.5
        self.basis.zero_()
        self.basis[:, :kept] = (rows[:kept].T / scale).float()
        loud = energy.clamp_min(SILENCE_DB)
        self.energy_mean.copy_(loud.mean())
        self.energy_scale.copy_(loud.std(correction=0).clamp_min(1.0))

    def forward(self, features: Tensor, energy: Tensor) -> Tensor:
        loud = (energy.clamp_min(SILENCE_DB) - self.energy_mean) / self.energy_scale
        return torch.cat([(features - self.mean) @ self.basis, loud[..., None]], -1)


def context_windows(x: Tensor, radius: int) -> Tensor:
    """x [N, C] -> [N, (2 * radius + 1) * C]: each frame with its neighbours, the ends held."""
    rows = torch.arange(len(x), device=x.device)[:, None] + torch.arange(-radius, radius + 1, device=x.device)
    return x[rows.clamp(0, len(x) - 1)].flatten(1)
