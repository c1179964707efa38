"""Bounded look-ahead: nothing later is heard, pieces leave no seams, and what is said is nearly the same."""

import pytest
import torch
from spoken_motion import EXPRESSION, small_network, spoken_run

from models.adf.causal import CHUNK, generate_causally
from models.adf.data import Run
from models.adf.motion import plain_metric
from models.adf.network import Adf, Motion
from models.adf.training import TrainingPlan, train


@pytest.fixture(scope="module")
def learned() -> tuple[Adf, Run]:
    run, network = spoken_run(300), small_network()
    plan = TrainingPlan(space_steps=40, embedding_steps=5, expression_steps=20, pose_steps=20, batch=8)
    train(network, [run], plain_metric(run.expression), plan, 0)
    return network, run


def generate(network: Adf, run: Run, test: Run, lookahead: int) -> Motion:
    manner = network.own_manner(Motion(run.expression, run.pose))
    generator = torch.Generator().manual_seed(0)
    return generate_causally(network, test.features, test.energy, manner, 1.0, generator, lookahead, 0.3)


@pytest.mark.parametrize("lookahead", [1, 3, 8])
def test_what_comes_later_than_the_look_ahead_changes_nothing(learned: tuple[Adf, Run], lookahead: int) -> None:
    network, run = learned
    test = spoken_run(121, seed=4)
    made = generate(network, run, test, lookahead)
    assert made.expression.shape == (121, EXPRESSION + 9)
    for change in (60, 77):
        features, energy = test.features.clone(), test.energy.clone()
        features[change:] = 3.0
        energy[change:] = -5.0
        other = generate(network, run, Run(features, energy, test.expression, test.pose), lookahead)
        same = change - lookahead - (CHUNK - 1)  # frames that must not have heard of it
        assert torch.equal(other.expression[:same], made.expression[:same])
        assert torch.equal(other.pose[:same], made.pose[:same])
        assert not torch.allclose(other.expression[change:], made.expression[change:])


def test_pieces_leave_no_seams(learned: tuple[Adf, Run]) -> None:
    network, run = learned
    test = spoken_run(800, seed=5)
    made = generate(network, run, test, 8)
    for motion in (network.expression_basis(made.expression), network.pose_basis(made.pose)):
        speed = motion.diff(dim=0).norm(dim=1)
        seams = speed[CHUNK - 1 :: CHUNK]
        assert float(seams.mean()) < 1.2 * float(speed.mean())
        assert float(seams.quantile(0.99)) < 1.3 * float(speed.quantile(0.99))


def test_with_some_look_ahead_it_says_nearly_the_same(learned: tuple[Adf, Run]) -> None:
    network, run = learned
    test = spoken_run(300, seed=6)
    manner = network.own_manner(Motion(run.expression, run.pose))
    whole = network.generate(test.features, test.energy, manner, 1.0, torch.Generator().manual_seed(0), 0.3)
    errors = [
        float((generate(network, run, test, lookahead).expression - whole.expression).square().mean())
        for lookahead in (1, 4, 10)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05 * float(whole.expression.var(0).mean())


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 30])
def test_short_speech(learned: tuple[Adf, Run], frames: int) -> None:
    network, run = learned
    test = spoken_run(40, seed=7)
    made = generate(network, run, Run(test.features[:frames], test.energy[:frames], run.expression, run.pose), 5)
    assert made.pose.shape == (frames, 9)
    assert torch.isfinite(made.expression).all()


def test_no_look_ahead_at_all_is_refused(learned: tuple[Adf, Run]) -> None:
    network, run = learned
    with pytest.raises(ValueError, match="at least 1"):
        generate(network, run, run, 0)
