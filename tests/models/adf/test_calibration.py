"""Gate and gain against a search and a constructed case."""

import numpy as np
import torch

from models.adf.calibration import MAX_GAIN, best_gate, gain_matrix


def test_gate_is_the_one_that_a_search_finds() -> None:
    torch.manual_seed(0)
    truth = torch.randn(80, 3)
    skipped, decoded = truth + 0.5 * torch.randn(80, 3), truth + 0.8 * torch.randn(80, 3)
    candidates = torch.linspace(0, 1, 2001)
    step = decoded - skipped
    costs = [
        float((skipped + g * step - truth).square().sum()) + float((g - 0.5).square() * step.square().sum())
        for g in candidates
    ]
    assert abs(float(best_gate(skipped, decoded, truth)) - float(candidates[int(np.argmin(costs))])) < 1e-3


def test_gate_follows_the_better_predictor_and_stays_in_range() -> None:
    truth = torch.randn(500, 3)
    assert float(best_gate(truth, truth + 1, truth)) < 0.3
    assert float(best_gate(truth + 1, truth, truth)) > 0.7
    assert 0 <= float(best_gate(truth, truth, truth)) <= 1


def test_gain_restores_the_spread_of_what_is_predicted_and_of_nothing_else() -> None:
    torch.manual_seed(0)
    real = torch.randn(4000, 3)
    every = torch.stack([0.7 * real[:, 0], 0.05 * torch.randn(4000), torch.zeros(4000)], 1)
    matrix, gains = gain_matrix(every, real, every, every, 0.9)
    made = every @ matrix
    assert len(gains) == 1
    assert np.isclose(float(made[:, 0].std() / real[:, 0].std()), 0.9, atol=0.01)
    assert torch.allclose(made[:, 1:], every[:, 1:], atol=0.01)
    faint = gain_matrix(0.01 * every, real, every, every, 0.9)[1]
    assert np.allclose(faint, [MAX_GAIN])
