"""Synthetic speech features and motion that follows them, for the ADF's tests."""

import numpy as np
import torch

from models.adf.config import AdfConfig, BranchConfig, SpeechGroup
from models.adf.data import Run
from models.adf.network import Adf

EXPRESSION, SPEECH = 6, 12


def smooth_noise(rng: np.random.Generator, frames: int, channels: int, width: float) -> np.ndarray:
    """Unit-variance noise [frames, channels] with a correlation of about ``width`` frames."""
    taps = np.exp(-0.5 * (np.arange(-4 * width, 4 * width + 1) / width) ** 2)
    white = rng.normal(size=(frames + len(taps) - 1, channels))
    smooth = np.stack([np.convolve(white[:, c], taps, mode="valid") for c in range(channels)], 1)
    return smooth / np.linalg.norm(taps)


def spoken_run(frames: int, seed: int = 0, noise: float = 0.1) -> Run:
    """Features, and motion whose expression and jaw are a function of the features two frames before."""
    law = np.random.default_rng(99)
    mix, bend = law.normal(size=(SPEECH, EXPRESSION + 3)), law.normal(size=(SPEECH, EXPRESSION + 3))
    rng = np.random.default_rng(seed)
    features = smooth_noise(rng, frames + 2, SPEECH, 2.0)
    drive = features[:-2] @ mix + np.tanh(features[:-2] @ bend)
    spoken = drive / 4 + noise * rng.normal(size=drive.shape)
    eyes = 0.01 * rng.normal(size=(frames, 6))
    expression = np.concatenate([0.3 + 0.1 * spoken[:, :EXPRESSION], 0.05 * spoken[:, EXPRESSION:], eyes], 1)
    pose = np.concatenate([0.05 * smooth_noise(rng, frames, 6, 8.0), 0.01 * smooth_noise(rng, frames, 3, 8.0)], 1)
    pose[:, 8] -= 1.0
    energy = -30.0 + 5.0 * features[2:, 0]
    return Run(*(torch.tensor(x, dtype=torch.float32) for x in (features[2:], energy, expression, pose)))


def small_network(supports: int = 300) -> Adf:
    config = AdfConfig(
        expression=BranchConfig(EXPRESSION + 9, 8, 2, 16, 2, 32, 1),
        pose=BranchConfig(9, 5, 4, 8, 2, 16, 1),
        speech=(SpeechGroup("encoder", SPEECH, 12),),
        context=5,
        window=48,
        style_channels=16,
        embedding_channels=8,
        width=32,
        layers=1,
        heads=4,
        dropout=0.1,
        members=2,
    )
    torch.manual_seed(0)
    return Adf(config, supports)
