"""Small layers in channel-first form: [C, N] in, [C', N] out, so that plane lookups need no transpose."""

import math
from itertools import pairwise

import torch
from torch import nn


class ChannelLinear(nn.Module):
    """y = W x + b for x [C, N].

    mixed: whether it computes in bfloat16 (sums in float32); then y is bfloat16 too, but for a ``last`` layer, whose
    float32 goes on to densities and colours.
    """

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0, last: bool = False):
        super().__init__()
        self.mixed, self.last = False, last
        bound = gain * math.sqrt(3.0 / inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(outputs, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.mixed:
            return torch.addmm(self.bias, self.weight, x)
        with torch.autocast(x.device.type, torch.bfloat16):
            y = torch.addmm(self.bias, self.weight, x)
        return y.float() if self.last else y


def run_mixed(network: nn.Module, mixed: bool) -> None:
    """Let every ChannelLinear of ``network`` compute in bfloat16, or in full precision again.  All else (geometry,
    planes, compositing, optimiser) stays in float32."""
    for module in network.modules():
        if isinstance(module, ChannelLinear):
            module.mixed = mixed


def mlp(*widths: int, last_gain: float = 1.0) -> nn.Sequential:
    """Row-vector perceptron with ReLU between ``widths``; for the few rows of per-frame conditions."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(a, b))
        if i < len(widths) - 2:
            layers.append(nn.ReLU())
    last = layers[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.mul_(last_gain)
        last.bias.zero_()
    return nn.Sequential(*layers)
