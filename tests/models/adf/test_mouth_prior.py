"""The prior of the ADF: it learns from several voices, a person needs little to use it."""

import copy
import math

import pytest
import torch
from spoken_motion import EXPRESSION, SPEECH, small_network, spoken_run

from models.adf.calibration import shrinkage
from models.adf.causal import CHUNK, generate_causally
from models.adf.config import AdfConfig, PriorConfig
from models.adf.data import Run
from models.adf.motion import MotionBasis, plain_metric
from models.adf.network import Adf, Motion, with_prior
from models.adf.prior import FADE, FIRMNESS, MARGIN, PEAK, MouthPrior, PersonalPrior
from models.adf.prior_training import Closure, train_prior
from models.adf.training import TrainingPlan, train

CONFIG = PriorConfig(SPEECH, 12, EXPRESSION + 9, 8, 32)
SPOKEN = slice(0, EXPRESSION + 3)


def fresh() -> MouthPrior:
    torch.manual_seed(0)
    return MouthPrior(CONFIG)


def corpus() -> list[Run]:
    return [spoken_run(400, seed=seed) for seed in (1, 2, 3)]


def together(branch: torch.Tensor) -> torch.Tensor:
    """Stands in for the teacher's lips: together where the first channel is small."""
    return (branch[:, 0] < 0.25).float()


def never(branch: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(branch))


def taught(steps: int = 150, batch: int = 8, closure: Closure = never) -> tuple[MouthPrior, list[float]]:
    prior, runs = fresh(), corpus()
    metric = plain_metric(torch.cat([run.expression for run in runs]))
    losses = train_prior(prior, runs, metric, closure, steps, batch, 0)
    return prior, losses


@pytest.fixture(scope="module")
def prior() -> MouthPrior:
    return taught()[0]


def test_it_moves_a_voice_that_it_never_heard(prior: MouthPrior) -> None:
    test = spoken_run(200, seed=9)
    made = prior(test.features, test.energy)[:, SPOKEN]
    truth = test.expression[:, SPOKEN]
    left = (made - truth).square().mean(0) / truth.var(0)
    assert float(left.mean()) < 0.4


def test_it_does_not_hear_what_follows_the_encoder(prior: MouthPrior) -> None:
    test = spoken_run(60, seed=9)
    more = torch.cat([test.features, torch.randn(60, 3)], 1)
    assert torch.equal(prior(more, test.energy), prior(test.features, test.energy))


@pytest.mark.parametrize("lead", [0, 2])
def test_two_numbers_fit_it_to_a_person(prior: MouthPrior, lead: int) -> None:
    """A person who does half of what the prior says, ``lead`` frames earlier: the fit finds both."""
    heard = spoken_run(120, seed=4)
    said = prior(heard.features, heard.energy)
    rows = (torch.arange(120) + lead).clamp(max=119)
    person = 0.3 + 0.5 * said[rows]
    basis = MotionBasis(EXPRESSION + 9, 8)
    basis.fit(person, plain_metric(person))
    personal = PersonalPrior(CONFIG)
    personal.general.load_state_dict(prior.state_dict())
    fit = personal.fit([(heard.features, heard.energy, person)], basis)
    assert fit.lead == lead
    assert fit.gain == pytest.approx(0.5, abs=0.02)
    assert fit.explained > 0.97
    expected = personal(heard.features, heard.energy, basis)
    assert float((expected - basis(person) + basis(person).mean(0)).abs().mean()) < 0.1


def test_a_prior_that_says_nothing_of_the_person_gets_no_gain(prior: MouthPrior) -> None:
    heard = spoken_run(300, seed=4)
    said = prior(heard.features, heard.energy)
    against = 0.3 - said
    basis = MotionBasis(EXPRESSION + 9, 8)
    basis.fit(against, plain_metric(against))
    personal = PersonalPrior(CONFIG)
    personal.general.load_state_dict(prior.state_dict())
    fit = personal.fit([(heard.features, heard.energy, against)], basis)
    assert fit.explained < 0.1
    assert fit.gain < 0.3


def test_closures_are_heard_and_shut_the_lips() -> None:
    """It says of a voice that it never heard when lips are together; there the mouth is the mean one of closures."""
    prior = taught(closure=together)[0]
    runs, test = corpus(), spoken_run(300, seed=9)
    firm = torch.cat([run.expression for run in runs])
    assert torch.allclose(prior.shut, firm[together(firm) > 0.5].mean(0))
    closed = together(test.expression) > 0.5
    assert 0.15 < float(closed.float().mean()) < 0.6
    branch, logit = prior.parts(test.features, test.energy)
    assert float(((logit > 0) == closed).float().mean()) > 0.8
    made, sure = prior(test.features, test.energy), prior.closure(logit) > 0.8
    assert int(sure.sum()) > 10
    assert float(closed[sure].float().mean()) > 2 * float(closed.float().mean())
    assert torch.all((made - prior.shut).norm(dim=1)[sure] < 0.21 * (branch - prior.shut).norm(dim=1)[sure])


def test_without_closures_taught_none_are_made(prior: MouthPrior) -> None:
    test = spoken_run(60, seed=9)
    branch, logit = prior.parts(test.features, test.energy)
    assert float(prior.closure(logit).max()) == 0
    assert torch.equal(prior(test.features, test.energy), branch)


def closed_share(logit: torch.Tensor, threshold: float) -> torch.Tensor:
    """Frame by frame: over the threshold, and within MARGIN of the highest of PEAK frames on either side."""
    shares = []
    for i in range(len(logit)):
        peak = float(logit[max(i - PEAK, 0) : i + PEAK + 1].max())
        shares.append(1 / (1 + math.exp(-FIRMNESS * (float(logit[i]) - max(threshold, peak - MARGIN)))))
    return torch.tensor(shares)


def test_the_vowel_between_two_closures_is_not_swallowed() -> None:
    """'mom': the logit falls little between the two m, and stays over the threshold."""
    prior = fresh()
    prior.threshold.fill_(-3.0)
    said = prior.closure(torch.tensor([-6.0, 1.5, 2.0, -1.0, -1.5, -1.0, 2.0, 1.5, -6.0]))
    assert said[[1, 2, 6, 7]].min() > 0.9
    assert said[[0, 3, 4, 5, 8]].max() < 0.01
    weak = prior.closure(torch.tensor([-6.0, -5.0, -2.0, -5.0, -6.0]))
    assert weak[2] > 0.99


def test_the_threshold_decides_how_readily_lips_shut(prior: MouthPrior) -> None:
    """branch + share (shut - branch) with the logistic of FIRMNESS (logit - threshold), but for slopes of peaks."""
    heard = spoken_run(80, seed=4)
    other = copy.deepcopy(prior)
    other.shut.uniform_(-1, 1)
    branch, logit = other.parts(heard.features, heard.energy)
    other.threshold.fill_(float(logit.median()))
    share = closed_share(logit, float(logit.median()))
    expected = (1 - share)[:, None] * branch + share[:, None] * other.shut
    assert torch.allclose(other(heard.features, heard.energy), expected, atol=1e-5)
    other.threshold.fill_(float(logit.max()) + 5)
    assert torch.allclose(other(heard.features, heard.energy), branch, atol=1e-5)


def test_the_seal_shuts_a_jaw_that_is_hardly_open(prior: MouthPrior) -> None:
    """jaw - seal * exp(-jaw / FADE) of an open jaw, not below zero; a jaw below zero and everything else stay."""
    heard = spoken_run(80, seed=4)
    plain = prior(heard.features, heard.energy)
    sealed = copy.deepcopy(prior)
    sealed.seal.fill_(0.02)
    made = sealed(heard.features, heard.energy)
    jaw, column = plain[:, -9], plain.shape[1] - 9
    expected = torch.where(jaw > 0, (jaw - 0.02 * torch.exp(-jaw / FADE)).clamp_min(0.0), jaw)
    assert torch.allclose(made[:, column], expected, atol=1e-6)
    assert float(made[:, column].min()) == float(jaw.min()) < 0
    others = [i for i in range(plain.shape[1]) if i != column]
    assert torch.equal(made[:, others], plain[:, others])


@pytest.mark.parametrize("lead", [0, 2])
def test_a_person_closes_as_early_as_they_move(prior: MouthPrior, lead: int) -> None:
    heard = spoken_run(80, seed=4)
    personal = PersonalPrior(CONFIG)
    personal.general.load_state_dict(prior.state_dict())
    logit = prior.parts(heard.features, heard.energy)[1]
    personal.general.threshold.fill_(float(logit.median()))
    personal.lead.fill_(lead)
    rows = (torch.arange(80) + lead).clamp(max=79)
    said = personal.closure(heard.features, heard.energy)
    assert torch.allclose(said, closed_share(logit, float(logit.median()))[rows])
    assert 0.1 < float(said.mean()) < 0.6


def test_shrinkage_against_the_closed_form() -> None:
    truth, noise = torch.randn(500, 3), torch.randn(500, 3)
    predicted = truth + noise
    expected = float((predicted * truth).sum() / (predicted * predicted).sum())
    assert float(shrinkage(predicted, truth)) == pytest.approx(expected)
    assert float(shrinkage(-truth, truth)) == 0
    assert float(shrinkage(0.5 * truth, truth)) == 1


def test_seconds_of_video_suffice_with_a_prior(prior: MouthPrior) -> None:
    """With 60 frames of a person the prior makes the held-out error much smaller; it is part of the saved state."""
    little, test = spoken_run(60, seed=11), spoken_run(200, seed=12)
    plan = TrainingPlan(space_steps=15, embedding_steps=5, expression_steps=15, pose_steps=5, batch=4)
    errors = []
    for network in (small_network(60), with_prior(small_network(60), prior)):
        log = train(network, [little], plain_metric(little.expression), plan, 0)
        style = Motion(little.expression, little.pose)
        made = network.generate(test.features, test.energy, style, 1.0, torch.Generator().manual_seed(0)).expression
        errors.append(float((made - test.expression)[:, SPOKEN].square().mean()))
    assert errors[1] < 0.75 * errors[0]
    assert 0.5 < log.facts["prior_gain"] < 1.5
    again = Adf(AdfConfig.from_json(network.config.to_json()), 60)
    again.load_state_dict(network.state_dict())
    assert again.prior is not None
    assert torch.equal(again.prior.general(test.features, test.energy), prior(test.features, test.energy))


def test_the_corpus_must_be_long_enough() -> None:
    run = spoken_run(50)
    with pytest.raises(ValueError, match="no run of"):
        train_prior(fresh(), [run], plain_metric(run.expression), never, 1, 4, 0)


def test_long_sound_goes_through_in_pieces(prior: MouthPrior, monkeypatch: pytest.MonkeyPatch) -> None:
    run = spoken_run(150, seed=3)
    whole = prior(run.features, run.energy)
    monkeypatch.setattr("models.adf.prior.PIECE", 40)
    assert torch.allclose(prior(run.features, run.energy), whole, atol=1e-5)


def test_bounded_look_ahead_holds_with_a_prior(prior: MouthPrior) -> None:
    """What comes later than the look-ahead changes nothing, as without a prior."""
    plan = TrainingPlan(space_steps=2, embedding_steps=2, expression_steps=2, pose_steps=2, batch=4)
    own, test, lookahead, change = spoken_run(100, seed=11), spoken_run(96, seed=12), 4, 60
    network = with_prior(small_network(60), prior)
    train(network, [own], plain_metric(own.expression), plan, 0)
    manner = network.manner(Motion(own.expression, own.pose))

    def speak(features: torch.Tensor) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return generate_causally(network, features, test.energy, manner, 1.0, generator, lookahead).expression

    other = test.features.clone()
    other[change:] += 1.0
    same = change - lookahead - (CHUNK - 1)
    first, second = speak(test.features), speak(other)
    assert torch.allclose(first[:same], second[:same], atol=1e-5)
    assert not torch.allclose(first[change:], second[change:], atol=1e-3)
