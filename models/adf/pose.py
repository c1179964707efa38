"""Speech and style -> head-pose codes, one after the other: head motion is only loosely tied to sound, so it is
sampled (seed, temperature) rather than predicted."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.adf.config import AdfConfig
from models.adf.quantizer import ResidualQuantizer
from models.adf.transformer import Stack

CONTEXT = 24  # codes of the past that the next one depends on (4 s at 6.25 Hz)


class PosePrior(nn.Module):
    """Autoregressive transformer over pose codes [B, L, levels], given speech at the codes' rate and a style code.

    Within a step the residual levels follow one another, each given the sum of the codes before it.
    """

    start: Tensor

    def __init__(self, config: AdfConfig, speech: int):
        super().__init__()
        branch = config.pose
        self.stride = branch.stride
        self.start = nn.Parameter(torch.zeros(branch.width))
        self.past = nn.Linear(branch.width, config.width)
        self.noise = nn.Dropout(config.dropout)
        self.hear = nn.Conv1d(speech, config.width, 2 * branch.stride + 1, branch.stride, padding=branch.stride)
        self.stack = Stack(config.width, config.layers, config.heads, config.dropout, True, config.style_channels)
        self.heads = nn.ModuleList(nn.Linear(config.width, branch.codes) for _ in range(branch.levels))
        self.given = nn.ModuleList(nn.Linear(branch.width, config.width) for _ in range(branch.levels - 1))

    def listen(self, speech: Tensor) -> Tensor:
        """speech [B, T, S] -> [B, ceil(T / stride), width]."""
        x = self.noise(speech).transpose(1, 2)
        x = F.pad(x, (0, -x.shape[2] % self.stride), mode="replicate") if x.shape[2] % self.stride else x
        return self.hear(x).transpose(1, 2)[:, : x.shape[2] // self.stride]

    def _hidden(self, heard: Tensor, latents: Tensor, style: Tensor) -> Tensor:
        """State of each step from the latents [B, L, D] of the steps before it (already moved by one)."""
        return self.stack(heard + self.past(latents), style)

    def forward(self, speech: Tensor, codes: Tensor, style: Tensor, quantizer: ResidualQuantizer) -> Tensor:
        """Logits [B, L, levels, codes] of every step, each given the true codes before it (teacher forcing)."""
        latents = quantizer.decode(codes)
        moved = torch.cat([self.start.expand(len(codes), 1, -1), latents[:, :-1]], 1)
        x, logits = self._hidden(self.listen(speech), moved, style), []
        for level, head in enumerate(self.heads):
            if level:
                x = x + self.given[level - 1](quantizer.decode_levels(codes, level))
            logits.append(head(x))
        return torch.stack(logits, 2)

    @torch.no_grad()
    def sample(
        self,
        speech: Tensor,
        style: Tensor,
        quantizer: ResidualQuantizer,
        temperature: float,
        generator: torch.Generator,
    ) -> Tensor:
        """Latents [L, D] for speech [T, S]; temperature 0 takes the likeliest code at every step.

        The first level decides where the head goes and is sampled; the levels after it refine that place and enter
        as their expectation, as sampling them would only shake the head.  A step sees the last CONTEXT codes, so
        cost and memory grow linearly with length.
        """
        heard = self.listen(speech[None])
        past = [self.start[None]]
        chosen: list[Tensor] = []
        for step in range(heard.shape[1]):
            first = max(0, step + 1 - CONTEXT)
            window = torch.stack(past[first : step + 1], 1)
            x = self._hidden(heard[:, first : step + 1], window, style)[:, -1]
            latent = torch.zeros_like(self.start)[None]
            for level, head in enumerate(self.heads):
                if level:
                    x = x + self.given[level - 1](latent)
                logits = head(x)
                if level:
                    latent = latent + quantizer.expectation(level, logits)
                    continue
                if temperature > 0:
                    index = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
                else:
                    index = logits.argmax(-1)
                latent = latent + F.embedding(index, quantizer.codebooks[level])
            chosen.append(latent)
            past.append(latent)
        return torch.cat(chosen)
