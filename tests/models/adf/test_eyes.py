"""Blinks and gaze: human rates, shut and open, never without end."""

import math

import pytest
import torch

from models.adf.eyes import RATE_RANGE, apply_habits, blink_onsets, learn_habits, sample_closure, sample_gaze


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rate", [10.0, 17.0, 28.0])
def test_blinks_come_at_the_rate_and_shut_the_eye(rate: float) -> None:
    minutes = 30
    closure = sample_closure(minutes * 60 * 25, 25.0, rate, generator())
    count = len(blink_onsets(closure))
    assert count / minutes == pytest.approx(rate, rel=0.15)
    assert float(closure.max()) == 1.0
    assert float((closure > 0.5).float().mean()) < 0.12  # open most of the time
    runs = int((closure > 0.5).sum()) / count / 25.0
    assert 0.08 <= runs <= 0.3  # seconds shut per blink


def test_learned_rate_is_human_and_follows_the_subject() -> None:
    eyes = torch.zeros(3000, 6)
    often, never = torch.full((3000, 3), 0.1), torch.full((3000, 3), 0.1)
    often[:, 1] += 0.9 * sample_closure(3000, 25.0, 28.0, generator(1))
    fast, slow = (learn_habits(x, eyes, [1], [1.0], 25.0) for x in (often, never))
    assert fast.rate > 20
    assert slow.rate < 12
    assert all(RATE_RANGE[0] <= habit.rate <= RATE_RANGE[1] for habit in (fast, slow))
    assert fast.open == pytest.approx((0.1,), abs=0.02)


def test_lids_move_from_rest_to_shut_and_nothing_else_does() -> None:
    expression = torch.rand(50, 4)
    habits = learn_habits(expression, torch.zeros(50, 6), [0, 2], [1.0, 1.0], 25.0)
    closure = torch.linspace(0, 1, 50)
    made = apply_habits(expression, habits, closure)
    assert torch.equal(made[:, [1, 3]], expression[:, [1, 3]])
    assert made[0, [0, 2]].tolist() == pytest.approx(list(habits.open))
    assert made[-1, [0, 2]].tolist() == pytest.approx([1.0, 1.0])


def test_gaze_rests_and_stays_near_the_middle() -> None:
    eyes = 0.3 * torch.randn(500, 6)
    eyes[:, :3] = eyes[:, 3:]
    habits = learn_habits(torch.rand(500, 2), eyes, [], [], 25.0)
    gaze = sample_gaze(2500, 25.0, habits, generator())
    still = gaze.diff(dim=0).abs().amax(1) < 1e-6
    assert float(still.float().mean()) > 0.9
    assert int((~still).sum()) > 20  # but it does move
    assert float((gaze - torch.tensor(habits.gaze)).abs().max()) <= 2 * math.radians(4.0) + 1e-6
    assert torch.equal(gaze[:, :3] - gaze[0, :3], gaze[:, 3:] - gaze[0, 3:]) or torch.allclose(
        gaze[:, :3] - torch.tensor(habits.gaze[:3]), gaze[:, 3:] - torch.tensor(habits.gaze[3:]), atol=1e-6
    )
