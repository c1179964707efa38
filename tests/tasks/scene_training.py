"""Parameters that train on the scene of tests/nerf_scene.py in seconds, and how alike two pictures are."""

import dataclasses

import numpy as np

from tasks.nerf import NerfParams
from tasks.scoring.training import decibels

QUICK = NerfParams(
    steps=120,
    frames=8,
    head_rays=96,
    other_rays=48,
    head_resolution=64,
    static_resolution=64,
    perceptual_weight=0.0,
    network_rate=5e-3,
    measured=4,
)
TINY = dataclasses.replace(QUICK, steps=12, frames=4, head_rays=32, other_rays=16, measured=2)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB between two uint8 pictures."""
    return decibels(float(np.mean((a.astype(float) - b.astype(float)) ** 2) / 255**2))
