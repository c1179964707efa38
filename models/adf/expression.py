"""Speech and style -> expression codes -> expression motion: follows the sound, frame by frame."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.adf.config import AdfConfig
from models.adf.transformer import Stack
from models.adf.vqvae import MotionVqVae


@dataclass
class ExpressionOutput:
    """logits [B, L, levels, codes] of the expression codes; motion [B, T, components], decoded from their soft
    expectation."""

    logits: Tensor
    motion: Tensor


class SpeechToExpression(nn.Module):
    """Transformer fusion of speech, the skip path's motion and a style code into the expression latent space.

    The logits of a code e start as -sharpness * |z - e|^2 with z the latent of the skip path's motion (the assignment
    of a Gaussian mixture), and the transformer adds to them; so before training the codes say what the closed
    form says.  The codes enter the decoder as their expectation under the predicted distribution: no sampling noise
    on the mouth, and gradients of motion losses reach the transformer.
    """

    def __init__(self, config: AdfConfig, speech: int):
        super().__init__()
        branch = config.expression
        self.stride = branch.stride
        self.noise = nn.Dropout(config.dropout)
        self.hear = nn.Conv1d(speech, config.width, 3, padding=1)
        self.hint = nn.Linear(branch.width, config.width)
        self.down = nn.Conv1d(config.width, config.width, branch.stride, branch.stride)
        self.stack = Stack(config.width, config.layers, config.heads, config.dropout, condition=config.style_channels)
        heads = [nn.Linear(config.width, branch.codes) for _ in range(branch.levels)]
        for head in heads:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.heads = nn.ModuleList(heads)
        self.sharpness = nn.Parameter(torch.zeros(branch.levels))  # natural logarithm

    @torch.no_grad()
    def calibrate(self, latent: Tensor, space: MotionVqVae) -> None:
        """Set the sharpness so that a latent's own quantisation error [..., D] weighs one half in the exponent."""
        residual = latent
        for level in range(len(self.heads)):
            codes, _ = space.quantizer.quantise_level(residual, level)
            residual = residual - codes
            self.sharpness[level] = -torch.log(2 * residual.square().sum(-1).mean().clamp_min(1e-8))

    def forward(self, speech: Tensor, skip: Tensor, style: Tensor, space: MotionVqVae) -> ExpressionOutput:
        """speech [B, T, S], skip [B, T, components] motion of the skip path, style [B, style]."""
        frames = speech.shape[1]
        x = F.gelu(self.hear(self.noise(speech).transpose(1, 2)))
        missing = -frames % self.stride
        x = self.down(F.pad(x, (0, missing), mode="replicate") if missing else x).transpose(1, 2)
        hint = space.encode(skip)
        x = self.stack(x + self.hint(hint), style)
        logits, latent = [], torch.zeros_like(hint)
        for level, head in enumerate(self.heads):
            codebook = space.quantizer.codebooks[level]
            # |z - e|^2 without |z|^2, which a softmax does not feel.
            distance = codebook.square().sum(-1) - 2.0 * (hint - latent) @ codebook.T
            logits.append(head(x) - self.sharpness[level].exp() * distance)
            latent = latent + space.quantizer.expectation(level, logits[-1])
        return ExpressionOutput(torch.stack(logits, 2), space.decode(latent, frames))


class ExpressionEnsemble(nn.Module):
    """``members`` networks from speech to expression, trained one after the other from other beginnings; their motion
    is averaged (bagging: Breiman 1996): with a minute of speech, one network's errors are mostly its own."""

    def __init__(self, config: AdfConfig, speech: int):
        super().__init__()
        self.members = nn.ModuleList(SpeechToExpression(config, speech) for _ in range(config.members))

    def forward(self, speech: Tensor, skip: Tensor, style: Tensor, space: MotionVqVae) -> Tensor:
        """As ``SpeechToExpression``; motion [B, T, components]."""
        return torch.stack([member(speech, skip, style, space).motion for member in self.members]).mean(0)
