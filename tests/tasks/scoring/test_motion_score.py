"""Figures of head motion against closed forms."""

import math

import pytest
import torch

from tasks.scoring.motion import head_motion


def test_spread_and_speed_of_a_head_that_turns_in_a_circle() -> None:
    t = torch.arange(400, dtype=torch.float64) * (2 * math.pi / 100)
    pose = torch.zeros(400, 9, dtype=torch.float64)
    # Half of the nod is the neck's; place and constant turns are no motion of the head.
    pose[:, 0] = pose[:, 3] = 0.05 * torch.sin(t)
    pose[:, 1] = 0.3 + 0.1 * torch.cos(t)
    pose[:, 6:] = torch.rand(400, 3, generator=torch.Generator().manual_seed(0)).double()
    spread, speed = head_motion(pose)
    assert spread == pytest.approx(0.1)
    assert speed == pytest.approx(0.2 * math.sin(math.pi / 100))  # a chord of the circle
    assert head_motion(pose[:1].expand(5, -1)) == (0.0, 0.0)
