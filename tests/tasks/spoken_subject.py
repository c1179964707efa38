"""A synthetic subject on the toy head whose mouth follows its speech features."""

import dataclasses

import numpy as np
import torch
from toy_head import NAMES

from models.adf.eyes import sample_closure
from tasks.adf import AdfParams
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.speech import SpeechTrack

FRAMES, CHANNELS = 660, 10
QUICK = AdfParams(
    window=48, width=32, layers=1, expression_codes=16, pose_codes=8, expression_levels=2, speech_components=10,
    members=2, space_steps=40, embedding_steps=40, expression_steps=40, pose_steps=30, batch=8, supports=400,
)  # fmt: skip
HASTY = dataclasses.replace(QUICK, space_steps=3, embedding_steps=3, expression_steps=3, pose_steps=3)


def speech(frames: int = FRAMES, seed: int = 0) -> SpeechTrack:
    rng = np.random.default_rng(seed)
    kernel = np.hanning(9) / np.linalg.norm(np.hanning(9))
    features = np.stack([np.convolve(rng.normal(size=frames + 8), kernel, mode="valid") for _ in range(CHANNELS)], 1)
    return SpeechTrack(
        np.arange(frames), features.astype(np.float32), (-30 + 5 * features[:, 0]).astype(np.float32), "e"
    )


def sequence(track: SpeechTrack, head: dict[str, str]) -> FlameSequence:
    """Jaw and mouth follow the features, brows and lids do not."""
    rng, count = np.random.default_rng(7), len(track)
    drive = np.tanh(track.features @ np.random.default_rng(1).normal(size=(CHANNELS, 3)))
    t = np.arange(count) / 25
    expression = np.full((count, len(NAMES)), 0.1)
    expression[:, 0] = 0.4 + 0.2 * drive[:, 1]
    expression[:, 5] = 0.4 + 0.2 * drive[:, 2]
    expression[:, 1] += 0.05 * np.sin(2 * t)
    closure = sample_closure(count, 25.0, 20.0, torch.Generator().manual_seed(3)).numpy()
    expression[:, 2:4] += 0.9 * closure[:, None]
    jaw = np.stack([0.15 + 0.08 * drive[:, 0], 0 * t, 0 * t], 1) + 0.005 * rng.normal(size=(count, 3))
    turn = 0.05 * np.stack([np.sin(1.3 * t), np.cos(0.9 * t), np.sin(0.5 * t)], 1)
    place = np.stack([0.01 * np.sin(t), 0.01 * np.cos(t), np.full(count, -1.0)], 1)
    single = [
        x.astype(np.float32) for x in (expression, turn, 0.2 * turn, jaw, 0.02 * rng.normal(size=(count, 6)), place)
    ]
    return FlameSequence(
        track.frame, t, *single, np.ones(count, np.float32), np.ones(count, np.float32), np.ones(count, bool),
        np.zeros(3, np.float32), 300.0, 128, 25.0, head, {"tracker": "none, synthetic"},
    )  # fmt: skip
