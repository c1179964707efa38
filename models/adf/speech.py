"""What the ADF hears: principal components of every group of speech features, and loudness."""

import torch
from torch import Tensor, nn

from models.adf.config import SpeechGroup

SILENCE_DB = -80.0  # quieter than any recording's floor; digital silence is brought up to it


class SpeechFront(nn.Module):
    """features [N, C], energy [N] dBFS -> [N, components + 1]: principal components of every group, then energy, each
    with zero mean and, but for the group's weight, unit variance in the training part.

    Whitened by group and not all at once: the encoder's many channels would bury the few others.
    """

    mean: Tensor
    basis: Tensor
    energy_mean: Tensor
    energy_scale: Tensor

    def __init__(self, groups: tuple[SpeechGroup, ...]):
        super().__init__()
        self.groups = groups
        channels, components = sum(group.channels for group in groups), sum(group.components for group in groups)
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
        centred = (features - self.mean).double()
        self.basis.zero_()
        first = place = 0
        for group in self.groups:
            last = first + group.channels
            _, values, rows = torch.linalg.svd(centred[:, first:last], full_matrices=False)
            kept = min(group.components, int((values > max(1e-5 * float(values[0]), 1e-9)).sum()))
            scale = values[:kept] / (group.weight * len(features) ** 0.5)
            self.basis[first:last, place : place + kept] = (rows[:kept].T / scale).float()
            first, place = last, place + group.components
        self._fit_energy(energy)

    @torch.no_grad()
    def centre(self, features: Tensor, energy: Tensor) -> None:
        """Keep the components, take means and the energy's scale of ``features`` [N, C] and ``energy`` [N]."""
        self.mean.copy_(features.mean(0))
        self._fit_energy(energy)

    def _fit_energy(self, energy: Tensor) -> None:
        loud = energy.clamp_min(SILENCE_DB)
        self.energy_mean.copy_(loud.mean())
        self.energy_scale.copy_(loud.std(correction=0).clamp_min(1.0))

    def forward(self, features: Tensor, energy: Tensor) -> Tensor:
        loud = (energy.clamp_min(SILENCE_DB) - self.energy_mean) / self.energy_scale
        return torch.cat([(features - self.mean) @ self.basis, loud[..., None]], -1)


def context_windows(x: Tensor, radius: int, lead: int = 0) -> Tensor:
    """x [N, C] -> [N, (2 * radius + 1) * C]: the frame ``lead`` frames later with its neighbours, the ends held."""
    offsets = torch.arange(lead - radius, lead + radius + 1, device=x.device)
    rows = torch.arange(len(x), device=x.device)[:, None] + offsets
    return x[rows.clamp(0, len(x) - 1)].flatten(1)
