"""Statistics of motion against closed forms, and the comparison on motion whose manner is known."""

import math

import numpy as np
import pytest
import torch
from toy_head import NAMES, toy_head

from benchmarks.speaking.style_pairs import LAG, Made, Subject, compare, halves, head_quantities, nearer, statistics
from models.adf.network import Motion

PERIOD = 40


def moving(size: float, frames: int = 400) -> Motion:
    """Mouth, brows and head in circles of a size."""
    t = torch.arange(frames) * (2 * math.pi / PERIOD)
    expression = torch.zeros(frames, len(NAMES) + 9)
    expression[:, 0], expression[:, 1] = 0.5 + 0.2 * size * t.sin(), 0.5 + 0.2 * size * t.cos()
    expression[:, len(NAMES)] = 0.1 + 0.05 * size * t.cos()
    pose = torch.zeros(frames, 9)
    for axis in range(3):
        pose[:, axis] = 0.03 * size * (t + axis).sin()
    return Motion(expression, pose)


def test_statistics_of_a_sine() -> None:
    t = torch.arange(400, dtype=torch.float64) * (2 * math.pi / PERIOD)
    spread, speed, change = np.exp(statistics(3.0 * t.sin()[:, None]))[:, 0]
    assert spread == pytest.approx(3 / math.sqrt(2), rel=1e-3)
    assert speed == pytest.approx(6 * math.sin(math.pi * LAG / PERIOD) / math.sqrt(2), rel=1e-2)
    assert change == pytest.approx(6 * math.sin(math.pi / PERIOD) * 2 / math.pi, rel=1e-2)
    assert np.isfinite(statistics(torch.zeros(30, 2))).all()


def test_rotations_are_degrees_of_head_and_neck_together() -> None:
    pose = torch.zeros(2, 9)
    pose[1, 1], pose[1, 4], pose[:, 8] = math.radians(10), math.radians(5), -1.0
    assert torch.allclose(head_quantities(toy_head(), Motion(torch.zeros(2, 15), pose))[1], torch.tensor([0, 15.0, 0]))


def test_nearer_in_units_of_the_scale() -> None:
    x, a, b = np.zeros((1, 2)), np.array([[1.0, 1.0]]), np.array([[-2.0, 0.5]])
    assert nearer(x, a, b, np.ones((1, 2))).tolist() == [True, True, False]
    assert nearer(x, a, b, np.array([[100.0, 1.0]])).tolist() == [False, True, False]


def test_motion_in_a_manner_is_told_and_motion_in_the_wrong_one_too() -> None:
    head = toy_head()
    sizes = {"calm": 0.5, "usual": 1.0, "lively": 2.0}
    subjects = [Subject(name, *halves(moving(size))) for name, size in sizes.items()]
    right = [Made(p, name, moving(1.1 * size)) for p in sizes for name, size in sizes.items()]
    rows = list(compare(head, subjects, right))
    assert "| motion in another's manner | 100 | 100 | 12 |" in rows
    assert "| the subjects' own first halves | 100 | 100 | 6 |" in rows
    assert any(row.startswith("| opening | 100 (") for row in rows)
    assert any(row.startswith("| yaw | 100 (1.10)") for row in rows)
    # All in one manner: as often right as wrong.
    same = [Made(p, name, moving(1.0)) for p in sizes for name in sizes]
    assert "| motion in another's manner | 50 | 50 | 12 |" in list(compare(head, subjects, same))
