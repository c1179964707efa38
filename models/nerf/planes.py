"""Feature planes.

Looking a point up costs the same whatever made the plane, so multi-resolution is paid per texel and not per sample:
a plane is the sum of its levels, upsampled (a Laplacian pyramid), put together once a step and looked up once.
Measured on two cores this beats separate lookups per level and embedding (hash) lookups.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from models.nerf import kernels


def lookup(plane: torch.Tensor, coordinates: torch.Tensor) -> torch.Tensor:
    """Bilinear lookup.  plane [B, C, H, W]; coordinates [B, N, 2] in -1..1 (x along W, y along H; border outside).

    Returns [B, C, N]: channel first, as the layers that follow want it.
    """
    if kernels.fused(plane):
        from models.nerf.kernels.lookup import lookup_all as fused

        return fused([plane], [coordinates], [None]).unflatten(1, coordinates.shape[:2]).transpose(0, 1)
    values = F.grid_sample(plane, coordinates[:, None], mode="bilinear", padding_mode="border", align_corners=False)
    return values[:, :, 0]


def lookup_all(
    planes: Sequence[torch.Tensor],
    coordinates: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor | None] | None = None,
) -> torch.Tensor:
    """What up to four planes hold at the same samples, side by side.

    Plane k [B_k, C_k, H_k, W_k] is looked up at coordinates [B_k, N_k, 2] and multiplied by weights [B_k, N_k] where
    there are some (constants: no gradient goes to them); B_k * N_k is the same for all.  Returns [sum C_k, B_k * N_k].
    """
    weights = weights or [None] * len(planes)
    if kernels.fused(planes[0]):
        from models.nerf.kernels.lookup import lookup_all as fused

        return fused(planes, coordinates, weights)
    values = []
    for plane, places, weight in zip(planes, coordinates, weights, strict=True):
        value = lookup(plane, places)
        value = value if weight is None else value * weight.detach()[:, None]
        values.append(value.transpose(0, 1).reshape(plane.shape[1], -1))
    return torch.cat(values)


def as_looked_up(plane: torch.Tensor) -> torch.Tensor:
    """The plane [B, C, H, W] laid out in memory as the lookup reads it: channel last for the kernel, else as it is."""
    return plane.contiguous(memory_format=torch.channels_last) if kernels.fused(plane) else plane


class PyramidPlane(nn.Module):
    """A learned plane of ``channels`` at ``height`` x ``width``, stored as a pyramid with a factor of 4 a level.

    Only the coarsest level starts at random (standard deviation ``scale``): what is never looked at stays smooth.
    """

    def __init__(self, channels: int, height: int, width: int, levels: int = 3, scale: float = 0.05):
        super().__init__()
        sizes = [(max(height >> 2 * i, 2), max(width >> 2 * i, 2)) for i in range(levels)]
        self.levels = nn.ParameterList([nn.Parameter(torch.zeros(1, channels, h, w)) for h, w in sizes])
        nn.init.normal_(self.levels[-1], std=scale)

    def forward(self) -> torch.Tensor:
        """The composed plane [1, C, H, W]."""
        plane = self.levels[-1]
        for finer in list(self.levels)[-2::-1]:
            plane = finer + F.interpolate(plane, size=finer.shape[-2:], mode="bilinear", align_corners=False)
        return as_looked_up(plane)


class BlendedPlane(nn.Module):
    """A plane that is a weighted sum of ``basis`` learned planes, the weights given per frame.

    The idea of NeRFBlendShape (Gao et al. 2022) with planes in place of hash tables: what an expression changes is
    blended once a frame, so that a sample costs no more than in a static field.
    """

    def __init__(self, basis: int, channels: int, height: int, width: int, scale: float = 0.02):
        super().__init__()
        self.shape = (channels, height, width)
        self.basis = nn.Parameter(scale * torch.randn(basis, channels * height * width))

    def forward(self, weights: torch.Tensor) -> torch.Tensor:
        """weights [F, basis] -> planes [F, C, H, W]."""
        return (weights @ self.basis).view(-1, *self.shape)
