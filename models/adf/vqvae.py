"""Transformer VQ-VAE over windows of one motion branch."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.adf.config import BranchConfig
from models.adf.quantizer import ResidualQuantizer
from models.adf.transformer import Stack


class MotionVqVae(nn.Module):
    """Motion [B, T, components] <-> latents [B, ceil(T / stride), width] <-> residual codes.

    A strided convolution lowers the rate, transformer layers give each latent its context, and the mirror image
    brings motion back.
    """

    def __init__(self, config: BranchConfig, heads: int, dropout: float):
        super().__init__()
        self.config = config
        width, stride = config.width, config.stride
        self.down = nn.Sequential(
            nn.Conv1d(config.components, width, 3, padding=1), nn.GELU(), nn.Conv1d(width, width, stride, stride)
        )
        self.encoder = Stack(width, config.layers, heads, dropout)
        self.to_latent = nn.Linear(width, width)
        self.quantizer = ResidualQuantizer(width, config.codes, config.levels)
        self.from_latent = nn.Linear(width, width)
        self.decoder = Stack(width, config.layers, heads, dropout)
        self.up = nn.Linear(width, stride * width)
        self.smooth = nn.Sequential(
            nn.Conv1d(width, width, 5, padding=2), nn.GELU(), nn.Conv1d(width, config.components, 5, padding=2)
        )

    def encode(self, motion: Tensor) -> Tensor:
        """[B, T, components] -> continuous latents [B, ceil(T / stride), width]; the last frame is held to fill up."""
        missing = -motion.shape[1] % self.config.stride
        x = F.pad(motion.transpose(1, 2), (0, missing), mode="replicate") if missing else motion.transpose(1, 2)
        return self.to_latent(self.encoder(self.down(x).transpose(1, 2)))

    def decode(self, latent: Tensor, frames: int | None = None) -> Tensor:
        """Latents [B, L, width] -> motion [B, frames (default L * stride), components]."""
        x = self.up(self.decoder(self.from_latent(latent)))
        x = x.unflatten(-1, (self.config.stride, -1)).flatten(1, 2)
        return self.smooth(x.transpose(1, 2)).transpose(1, 2)[:, :frames]

    def forward(self, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction [B, T, components], indices [B, L, levels], commitment loss."""
        quantised, indices, commitment = self.quantizer(self.encode(motion))
        return self.decode(quantised, motion.shape[1]), indices, commitment

    @torch.no_grad()
    def codes(self, motion: Tensor) -> Tensor:
        """Code indices [B, L, levels] of motion, without moving the codebooks."""
        return self.quantizer.quantise(self.encode(motion))[1]
