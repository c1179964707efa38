"""Contrastive losses and the common space of speech and motion.

InfoNCE: van den Oord et al. 2018, arXiv 1807.03748.  NT-Xent: Chen et al. 2020, arXiv 2002.05709.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def info_nce(speech: Tensor, motion: Tensor, temperature: float, gap: int) -> Tensor:
    """Each frame's motion against the speech of its own and all other frames, and the reverse.

    speech, motion [B, T, D], unit length; the pair (b, t), (b, t) matches.  Negatives are the frames of the same
    window at least ``gap`` frames away (time-shifted) and every frame of the other windows (foreign); frames nearer
    than ``gap`` are neither, because sound and motion change slowly.
    """
    windows, frames = speech.shape[:2]
    similarity = motion.flatten(0, 1) @ speech.flatten(0, 1).T / temperature
    window = torch.arange(windows, device=speech.device).repeat_interleave(frames)
    step = torch.arange(frames, device=speech.device).repeat(windows)
    apart = (step[:, None] - step[None]).abs()
    ignored = (window[:, None] == window[None]) & (apart > 0) & (apart < gap)
    similarity = similarity.masked_fill(ignored, float("-inf"))
    target = torch.arange(len(window), device=speech.device)
    return 0.5 * (F.cross_entropy(similarity, target) + F.cross_entropy(similarity.T, target))


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """first[i] and second[i] [B, D] come from the same source; all other 2B - 2 codes are negatives."""
    codes = F.normalize(torch.cat([first, second]), dim=-1)
    similarity = (codes @ codes.T / temperature).masked_fill(
        torch.eye(len(codes), dtype=torch.bool, device=codes.device), float("-inf")
    )
    target = torch.arange(len(codes), device=codes.device).roll(len(first))
    return F.cross_entropy(similarity, target)


class SpeechMotionEmbedding(nn.Module):
    """Speech [B, T, S] and expression motion [B, T, M] -> unit vectors [B, T, D] that agree where they belong together.

    Each vector sees 13 frames (0.5 s): about a syllable and its neighbours.
    """

    def __init__(self, speech: int, motion: int, channels: int, width: int = 64, dropout: float = 0.3):
        super().__init__()
        self.speech = _tower(speech, width, channels, dropout)
        self.motion = _tower(motion, width, channels, dropout)

    def embed_speech(self, speech: Tensor) -> Tensor:
        return F.normalize(self.speech(speech.transpose(1, 2)).transpose(1, 2), dim=-1)

    def embed_motion(self, motion: Tensor) -> Tensor:
        return F.normalize(self.motion(motion.transpose(1, 2)).transpose(1, 2), dim=-1)


def _tower(channels: int, width: int, out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Conv1d(channels, width, 5, padding=2, padding_mode="replicate"),
        nn.GELU(),
        nn.Conv1d(width, width, 5, padding=4, dilation=2, padding_mode="replicate"),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Conv1d(width, out, 1),
    )


def agreement_by_lag(speech: Tensor, motion: Tensor, reach: int) -> Tensor:
    """Mean similarity [2 * reach + 1] of motion at t with speech at t - lag, lag = -reach ... reach.

    speech, motion [T, D], T > reach.  A maximum at a positive lag: the motion comes that many frames late.
    """
    frames = len(speech)
    scores = []
    for lag in range(-reach, reach + 1):
        moved = motion[max(lag, 0) : frames + min(lag, 0)]
        heard = speech[max(-lag, 0) : frames - max(lag, 0)]
        scores.append((moved * heard).sum(-1).mean())
    return torch.stack(scores)
