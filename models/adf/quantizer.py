"""Residual vector quantisation with moving-average codebooks.

VQ-VAE with exponential moving averages (van den Oord et al. 2017, arXiv 1711.00937, appendix A.1), in ``levels``
residual steps (SoundStream, arXiv 2107.03312, section III-C).  Codebook collapse is measured (perplexity) and
cured: a code whose average use falls below ``revival`` of a fair share is moved onto a latent of the current batch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def nearest_code(latent: Tensor, codebook: Tensor) -> Tensor:
    """Index [...] of the codebook row [K, D] nearest (Euclidean) to each latent [..., D]."""
    distance = (codebook**2).sum(-1) - 2.0 * latent @ codebook.T
    return distance.argmin(-1)


def perplexity(indices: Tensor, codes: int) -> float:
    """exp(entropy) of the use of ``codes`` codes: 1 = collapsed onto one, ``codes`` = all used alike."""
    share = torch.bincount(indices.flatten(), minlength=codes).double() / max(indices.numel(), 1)
    return float(torch.exp(-(share * torch.log(share.clamp_min(1e-12))).sum()))


class ResidualQuantizer(nn.Module):
    """``levels`` codebooks [codes, width]; level l quantises what the levels before it left over."""

    codebooks: Tensor
    counts: Tensor
    sums: Tensor
    started: Tensor

    def __init__(self, width: int, codes: int, levels: int, decay: float = 0.98, revival: float = 0.05):
        super().__init__()
        self.codes, self.levels, self.decay, self.revival = codes, levels, decay, revival
        self.revived = 0  # codes moved since the start, for the training log
        self.register_buffer("codebooks", torch.zeros(levels, codes, width))
        self.register_buffer("counts", torch.ones(levels, codes))
        self.register_buffer("sums", torch.zeros(levels, codes, width))
        self.register_buffer("started", torch.tensor(False))

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """latent [B, T, D] -> (quantised [B, T, D] with straight-through gradient, indices [B, T, levels],
        commitment loss).  In training mode the codebooks move towards the latents."""
        if self.training and not bool(self.started):
            self._start(latent.detach())
        total, indices = self.quantise(latent.detach(), follow=self.training)
        commitment = F.mse_loss(latent, total)
        return latent + (total - latent).detach(), indices, commitment

    def quantise(self, latent: Tensor, follow: bool = False) -> tuple[Tensor, Tensor]:
        """latent [..., D] -> (sum of the nearest codes [..., D], indices [..., levels]); no gradient to the latent.

        follow: move the codebooks towards what they quantised.
        """
        residual, total, indices = latent, torch.zeros_like(latent), []
        for level in range(self.levels):
            chosen, index = self.quantise_level(residual, level)
            if follow:
                self._follow(level, residual.flatten(0, -2), index.flatten())
            residual, total = residual - chosen, total + chosen
            indices.append(index)
        return total, torch.stack(indices, -1)

    def quantise_level(self, residual: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """Nearest codes [..., D] of one level and their indices [...]."""
        index = nearest_code(residual, self.codebooks[level])
        return F.embedding(index, self.codebooks[level]), index

    def decode(self, indices: Tensor) -> Tensor:
        """indices [..., levels] -> latents [..., D]."""
        return self.decode_levels(indices, self.levels)

    def decode_levels(self, indices: Tensor, levels: int) -> Tensor:
        """The sum of the first ``levels`` codes of ``indices`` [..., levels]."""
        return torch.stack([F.embedding(indices[..., level], self.codebooks[level]) for level in range(levels)]).sum(0)

    def expectation(self, level: int, logits: Tensor) -> Tensor:
        """Mean code [..., D] of level ``level`` under the distribution softmax(logits [..., codes])."""
        return logits.softmax(-1) @ self.codebooks[level]

    @torch.no_grad()
    def _start(self, latent: Tensor) -> None:
        # Codes begin on data: a codebook far from the latents would leave most codes unused for good.
        residual = latent.flatten(0, -2)
        for level in range(self.levels):
            pick = torch.randint(len(residual), (self.codes,), device=latent.device)
            jitter = 0.01 * residual.std() * torch.randn_like(residual[pick])
            self.codebooks[level] = residual[pick] + jitter
            self.sums[level] = self.codebooks[level]
            residual = residual - F.embedding(nearest_code(residual, self.codebooks[level]), self.codebooks[level])
        self.counts.fill_(1.0)
        self.started.fill_(True)

    @torch.no_grad()
    def _follow(self, level: int, residual: Tensor, index: Tensor) -> None:
        used = F.one_hot(index, self.codes).to(residual.dtype)
        # Counts are kept as multiples of a fair share, so that the revival threshold means the same at any batch size.
        share = len(residual) / self.codes
        self.counts[level].lerp_(used.sum(0) / share, 1 - self.decay)
        self.sums[level].lerp_(used.T @ residual / share, 1 - self.decay)
        alive = self.counts[level] > 1e-3
        self.codebooks[level][alive] = self.sums[level][alive] / self.counts[level][alive, None]
        self._revive(level, residual)

    @torch.no_grad()
    def _revive(self, level: int, residual: Tensor) -> None:
        dead = torch.nonzero(self.counts[level] < self.revival).flatten()
        if not len(dead):
            return
        pick = torch.randint(len(residual), (len(dead),), device=residual.device)
        self.codebooks[level, dead] = residual[pick]
        self.counts[level, dead] = 1.0
        self.sums[level, dead] = residual[pick]
        self.revived += len(dead)
