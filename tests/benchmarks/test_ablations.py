"""The ADF with one latent space for face and head, on made motion; its joint metric against its definition."""

import numpy as np
import pytest
import torch
from toy_head import toy_head

from benchmarks.speaking.one_space import joint_metric, learn
from models.adf.data import Run
from models.adf.motion import POSE
from tasks.adf import AdfParams
from tasks.artifacts.speech import SpeechTrack

HASTY = AdfParams(
    window=48, width=32, layers=1, expression_codes=16, pose_codes=8, expression_levels=2, speech_components=10,
    expression_components=8, pose_components=4, members=1, space_steps=3, embedding_steps=3, expression_steps=3,
    batch=4, supports=100,
)  # fmt: skip


def test_face_and_head_count_by_their_components_whatever_their_units() -> None:
    rng = torch.Generator().manual_seed(0)
    faces, poses = torch.randn(300, 5, generator=rng), 0.05 * torch.randn(300, 9, generator=rng)
    metric = joint_metric(faces, poses, 40.0 * torch.eye(5), 6, 2)
    both = torch.cat([poses - poses.mean(0), faces - faces.mean(0)], 1)
    length = ((both @ metric) * both).mean(0)
    assert float(length[:POSE].sum()) == pytest.approx(2.0, rel=1e-4)
    assert float(length[POSE:].sum()) == pytest.approx(6.0, rel=1e-4)


def test_one_space_speaks_face_and_head_in_their_own_channels() -> None:
    head = toy_head()
    rng = np.random.default_rng(0)
    frames, heard = 200, rng.normal(size=(200, 10)).astype(np.float32)
    faces = np.zeros((frames, head.expression_size + 9), np.float32)
    faces[:, 0] = 0.5 + 0.1 * heard[:, 0]
    poses = np.zeros((frames, 9), np.float32)
    poses[:, 8] = -1.0 + 0.01 * heard[:, 1]
    energy = np.full(frames, -30.0, np.float32) + heard[:, 2]
    run = Run(*map(torch.from_numpy, (heard, energy, faces, poses)))
    made = learn(head, torch.zeros(head.shape_size), [run], (("encoder", 10),), HASTY).speak(
        SpeechTrack(np.arange(frames), heard, energy, "e")
    )
    assert made.expression.shape == faces.shape
    assert made.pose.shape == poses.shape
    # What never moved stands where it stood; what moved follows its own feature.
    assert torch.allclose(made.pose[:, :8], torch.zeros(frames, 8), atol=1e-4)
    assert torch.allclose(made.expression[:, 1:], torch.zeros(frames, faces.shape[1] - 1), atol=1e-4)
    assert np.corrcoef(made.expression[:, 0], heard[:, 0])[0, 1] > 0.5
    assert np.corrcoef(made.pose[:, 8], heard[:, 1])[0, 1] > 0.5
    assert float((made.expression[:, 0] - 0.5).abs().max()) < 0.5
