"""Style: how a person moves, as a code of a window of their motion."""

import torch
from torch import Tensor, nn

from models.adf.transformer import Stack


class StyleEncoder(nn.Module):
    """Motion of both branches [B, T, channels] (normalised by the subject's statistics) -> style code [B, style].

    A transformer and a mean over time (DiffPoseTalk, arXiv 2310.00434, section 3.2), trained with NT-Xent.
    """

    def __init__(self, channels: int, style: int, width: int, heads: int, dropout: float):
        super().__init__()
        self.enter = nn.Conv1d(channels, width, 5, stride=2, padding=2)
        self.stack = Stack(width, 1, heads, dropout)
        self.leave = nn.Linear(2 * width, style)

    def forward(self, motion: Tensor) -> Tensor:
        x = self.stack(self.enter(motion.transpose(1, 2)).transpose(1, 2))
        # Mean and spread over time: a style is both a posture and a liveliness.
        return self.leave(torch.cat([x.mean(1), x.std(1, correction=0)], -1))
