"""LPIPS: learned perceptual distance of two pictures (Zhang et al., CVPR 2018, arXiv 1801.03924), v0.1, AlexNet.

Features of the five ReLU layers of AlexNet are normalised to unit length at every position, their squared
difference is weighted per channel (the learned heads) and averaged over the picture; the five averages add up.
The network is frozen; gradients flow to the pictures, so the same object is metric and training loss.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

SMALLEST_SIDE = 31  # below this the second pooling has nothing left to pool
_CONVOLUTIONS = (  # channels in, channels out, kernel, stride, padding, pooled before
    (3, 64, 11, 4, 2, False),
    (64, 192, 5, 1, 2, True),
    (192, 384, 3, 1, 1, True),
    (384, 256, 3, 1, 1, False),
    (256, 256, 3, 1, 1, False),
)


class Lpips(nn.Module):
    """LPIPS v0.1 with the AlexNet backbone.

    Build it with ``from_arrays``; a network without the published weights measures nothing.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, kernel, stride, padding)
            for inputs, outputs, kernel, stride, padding, _ in _CONVOLUTIONS
        )
        self.heads = nn.ParameterList(torch.zeros(outputs) for _, outputs, *_ in _CONVOLUTIONS)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Lpips":
        """Build from the layout of the packaged checkpoint.

        arrays: {"AlexNet_0": {"Conv_i": {"kernel" [h, w, in, out], "bias" [out]}}, "NetLinLayer_i":
        {"Conv_0": {"kernel" [1, 1, channels, 1]}}}, i = 0..4.  Raises KeyError for a missing array and
        ValueError for one of the wrong shape or with values that are not finite.
        """
        network = cls()
        with torch.no_grad():
            for index, convolution in enumerate(network.convolutions):
                assert isinstance(convolution, nn.Conv2d)
                layer = arrays["AlexNet_0"][f"Conv_{index}"]
                head = arrays[f"NetLinLayer_{index}"]["Conv_0"]["kernel"]
                kernel = np.transpose(np.asarray(layer["kernel"]), (3, 2, 0, 1))
                _fill(convolution.weight, kernel, f"kernel {index}")
                assert convolution.bias is not None
                _fill(convolution.bias, np.asarray(layer["bias"]), f"bias {index}")
                _fill(network.heads[index], np.asarray(head).reshape(-1), f"head {index}")
        return network

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The five feature maps, each normalised over channels, of pictures [B, 3, H, W] in [0, 1]."""
        x = (pictures * 2 - 1 - self.shift) / self.scale
        maps = []
        for convolution, (*_, pooled) in zip(self.convolutions, _CONVOLUTIONS, strict=True):
            x = functional.relu(convolution(functional.max_pool2d(x, 3, 2) if pooled else x))
            # The published 1e-10 stands outside the root; inside it (squared) it equals that to rounding and keeps
            # the gradient finite where every feature of a position is zero.
            maps.append(x / (x.square().sum(1, keepdim=True) + 1e-20).sqrt())
        return maps

    def distances(self, a: Tensor, b: Tensor) -> list[Tensor]:
        """Weighted squared difference at every position of the five layers, each [B, h, w] on its layer's grid.

        a, b: [B, 3, H, W] in [0, 1], H and W at least 31.
        """
        if min(a.shape[-2:]) < SMALLEST_SIDE:
            raise ValueError(f"LPIPS needs at least {SMALLEST_SIDE} pixels a side, got {tuple(a.shape)}")
        maps = []
        for feature, head in zip(self.features(torch.cat([a, b])), self.heads, strict=True):
            first, second = feature.chunk(2)
            maps.append(torch.einsum("bchw,c->bhw", (first - second).square(), head))
        return maps

    def forward(self, a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
        """Distance [B] of pairs of pictures [B, 3, H, W] in [0, 1]; 0 for equal ones.  ``weight``: see ``pool``."""
        return pool(self.distances(a, b), weight)


def pool(distances: list[Tensor], weight: Tensor | None = None) -> Tensor:
    """Average each layer's distances [B, h, w] over the picture and add them up; returns [B].

    weight: [B, H, W] >= 0, a region's mask: the average is weighted with it, reduced to each layer's grid by area.
    Ones give plain LPIPS, zeros NaN.
    """
    total = distances[0].new_zeros(len(distances[0]))
    for distance in distances:
        if weight is None:
            total = total + distance.mean((1, 2))
        else:
            local = functional.adaptive_avg_pool2d(weight[:, None], (distance.shape[1], distance.shape[2]))[:, 0]
            total = total + (distance * local).sum((1, 2)) / local.sum((1, 2))
    return total


def _fill(parameter: Tensor, values: np.ndarray, name: str) -> None:
    if values.shape != tuple(parameter.shape) or not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"{name} is {values.dtype} {values.shape}, expected {tuple(parameter.shape)}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds values that are not finite")
    parameter.copy_(torch.from_numpy(np.ascontiguousarray(values, np.float32)))
