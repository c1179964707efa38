"""Figures on the head against direct computation on the toy head."""

import numpy as np
import pytest
import torch
from toy_head import NAMES, toy_head

from models.adf.geometry import expression_metric, lip_errors, mouth_opening, upper_face_motion

SHAPE = torch.zeros(3)


def branch(frames: int = 1, **values: float) -> torch.Tensor:
    rows = torch.zeros(frames, len(NAMES) + 9)
    for name, value in values.items():
        rows[:, NAMES.index(name) if name in NAMES else len(NAMES)] = value
    return rows


def test_opening_is_the_distance_of_the_inner_lips() -> None:
    # At rest the toy's lips are 5 mm apart; mouthPucker moves the lower one down by 10 mm a unit.
    opening = mouth_opening(toy_head(), SHAPE, torch.cat([branch(), branch(mouthPucker=0.5), branch(mouthSmile=1.0)]))
    assert opening.tolist() == pytest.approx([5.0, 10.0, 5.0], abs=1e-3)
    assert float(mouth_opening(toy_head(), SHAPE, branch(jaw=0.1))) > 5.0


def test_lip_errors_are_mean_and_maximum_over_lip_vertices() -> None:
    truth, made = branch(300), branch(300, mouthPucker=0.1)
    mean, largest = lip_errors(toy_head(), SHAPE, made, truth)
    assert mean == pytest.approx(0.5, abs=1e-4)  # three of six vertices move by 1 mm
    assert largest == pytest.approx(1.0, abs=1e-4)
    assert lip_errors(toy_head(), SHAPE, truth, truth) == (0.0, 0.0)


def test_brow_motion_is_a_standard_deviation_in_millimetres() -> None:
    rows = branch(100)
    rows[:, NAMES.index("browUp")] = torch.arange(100) % 2
    # All brow points of the toy sit on vertex 7, which moves by 10 mm a unit: standard deviation 5.
    assert upper_face_motion(toy_head(), SHAPE, rows) == pytest.approx(5.0, rel=1e-3)


def test_metric_is_the_weighted_squared_displacement() -> None:
    head = toy_head()
    metric = expression_metric(head, SHAPE, branch()[0])
    assert torch.allclose(metric, metric.T, atol=1e-5)
    weight = np.ones(10)
    weight[:6] = 4.0  # lips; the toy has no region of lids
    moved = np.zeros(10)
    moved[3:6] = 10.0
    expected = float((weight * moved**2).sum() / weight.sum())
    index = NAMES.index("mouthPucker")
    assert float(metric[index, index]) == pytest.approx(expected, rel=1e-3)
    assert torch.linalg.eigvalsh(metric.double()).min() > -1e-6
    assert float(metric[-1, -1]) > 0  # eyeballs count a little although no skin follows them
