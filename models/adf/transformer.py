"""Transformer blocks for sequences of any length.

Positions enter as a bias that grows linearly with distance (ALiBi: Press et al. 2022, arXiv 2108.12409), so that
nothing depends on where a window starts: a frame is treated alike in the first window and in the ten-thousandth.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def distance_bias(length: int, heads: int, causal: bool, device: torch.device | None = None) -> Tensor:
    """Attention bias [heads, length, length]: -slope * |i - j|, slopes 2^-1 ... 2^-8; -inf for the future if causal."""
    slopes = 2.0 ** -torch.linspace(1.0, 8.0, heads, device=device)
    steps = torch.arange(length, device=device)
    distance = (steps[:, None] - steps[None]).abs()
    bias = -slopes[:, None, None] * distance
    if causal:
        bias = bias.masked_fill(steps[None, :] > steps[:, None], float("-inf"))
    return bias


class Block(nn.Module):
    """Pre-norm self-attention and feed-forward; ``modulation`` scales and shifts both normalised inputs (FiLM)."""

    def __init__(self, width: int, heads: int, dropout: float, causal: bool = False, condition: int = 0):
        super().__init__()
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention_in, self.attention_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
            nn.Dropout(dropout),
        )
        self.modulation = nn.Linear(condition, 4 * width) if condition else None
        if self.modulation is not None:
            # Zero at the start: style is learned as a departure from none.
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """x [B, T, width], condition [B, condition] -> [B, T, width]."""
        first, second = self.norm_attention(x), None
        if self.modulation is not None and condition is not None:
            a, b, c, d = self.modulation(condition)[:, None].chunk(4, dim=-1)
            first, second = first * (1 + a) + b, (c, d)
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.attention_in(first).chunk(3, dim=-1)
        )
        bias = distance_bias(x.shape[1], self.heads, self.causal, x.device)
        dropped = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(x.dtype), dropout_p=dropped)
        x = x + self.attention_out(mixed.transpose(1, 2).flatten(-2))
        fed = self.norm_feed(x)
        if second is not None:
            fed = fed * (1 + second[0]) + second[1]
        return x + self.feed(fed)


class Stack(nn.Module):
    """``layers`` blocks and a final norm."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float, causal: bool = False, condition: int = 0):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, dropout, causal, condition) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            x = block(x, condition)
        return self.norm(x)
