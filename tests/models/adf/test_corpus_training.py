"""The corpus prior: what it shares, and what it leaves to the person."""

from dataclasses import replace

import pytest
import torch
from spoken_motion import EXPRESSION, SPEECH, small_network, spoken_run

from models.adf.config import PriorConfig
from models.adf.corpus_prior import SHARED, CorpusPrior, difference, start_from
from models.adf.corpus_training import JOBS, CorpusPlan, Member, Store, train_corpus
from models.adf.data import Run
from models.adf.motion import MotionBasis, plain_metric
from models.adf.network import Motion
from models.adf.training import TrainingPlan, train

PLAN = CorpusPlan(mouth=120, space=10, embedding=50, style=80, pose=5, batch=8, window=48)
HASTY = CorpusPlan(mouth=3, space=3, embedding=3, style=5, pose=3, batch=6, window=48)
SPOKEN = slice(0, EXPRESSION + 3)
PLAIN = plain_metric(spoken_run(200).expression)


def fresh() -> CorpusPrior:
    torch.manual_seed(0)
    return CorpusPrior(small_network().config, PriorConfig(SPEECH, 12, EXPRESSION + 9, 8, 32))


def person(seed: int, amount: float = 1.0) -> list[Run]:
    """Two runs of one person: own rest face, own place before the camera, own microphone, livelier by ``amount``."""
    offset = torch.Generator().manual_seed(seed)
    rest, place = 0.3 * torch.randn(EXPRESSION + 9, generator=offset), 0.1 * torch.randn(9, generator=offset)
    sound = 0.5 * torch.randn(SPEECH, generator=offset)
    runs = []
    for part in (0, 1):
        run = spoken_run(150, seed=10 * seed + part)
        expression = rest + amount * (run.expression - run.expression.mean(0))
        runs.append(Run(run.features + sound, run.energy + seed, expression, place + amount * run.pose))
    return runs


def corpus() -> list[Member]:
    amounts = {"a": 1.0, "b": 0.4, "c": 2.5}
    return [
        Member(name, (name, "neutral"), person(seed, amounts[name])) for seed, name in enumerate(sorted(amounts), 1)
    ]


@pytest.fixture(scope="module")
def trained() -> tuple[CorpusPrior, dict[str, float]]:
    prior = fresh()
    figures = train_corpus(prior, corpus(), PLAIN, PLAN, 0)
    return prior, figures


def test_the_mouth_moves_a_person_it_never_saw(trained: tuple[CorpusPrior, dict[str, float]]) -> None:
    """As a person's ADF uses it: about the person's own mean, and whatever the size."""
    test = person(9)[0]
    made = trained[0].mouth(test.features, test.energy)[:, SPOKEN]
    truth = test.expression[:, SPOKEN]
    alike = torch.nn.functional.cosine_similarity(made - made.mean(0), truth - truth.mean(0), dim=0)
    assert float(alike.mean()) > 0.6


def test_the_embedding_tells_right_sound_from_another_persons(trained: tuple[CorpusPrior, dict[str, float]]) -> None:
    prior = trained[0].requires_grad_(False)
    own, other = (prior.coordinates([person(seed)[0]])[0] for seed in (8, 9))
    moved = prior.embedding.embed_motion(own[1][None])[0]
    right, wrong = (prior.embedding.embed_speech(heard[None])[0] for heard in (own[0], other[0]))
    assert float((moved * right).sum(-1).mean()) > float((moved * wrong).sum(-1).mean()) + 0.2


def test_styles_of_one_person_are_nearer_than_anothers(trained: tuple[CorpusPrior, dict[str, float]]) -> None:
    """Codes of the second run of each member are nearest to the code of its own first one."""
    prior = trained[0]
    first, second = [], []
    for member in corpus():
        parts = prior.coordinates(member.runs)
        codes = [prior.style(torch.cat([expression, pose], -1)[None])[0] for _, expression, pose in parts]
        first.append(torch.nn.functional.normalize(codes[0], dim=-1))
        second.append(torch.nn.functional.normalize(codes[1], dim=-1))
    nearest = (torch.stack(second) @ torch.stack(first).T).argmax(1)
    assert nearest.tolist() == [0, 1, 2]


def test_common_directions_hold_no_ones_own_mean(trained: tuple[CorpusPrior, dict[str, float]]) -> None:
    """Means that differ between people must not become a direction of motion."""
    prior, motion = trained[0], [torch.cat([run.expression for run in member.runs]) for member in corpus()]
    expected = MotionBasis(EXPRESSION + 9, 8)
    expected.fit(torch.cat([values - values.mean(0) for values in motion]), PLAIN)
    assert torch.allclose(prior.expression_basis.analysis, expected.analysis, atol=1e-4)
    assert torch.allclose(prior.expression_basis.mean, torch.cat(motion).mean(0), atol=1e-5)


def test_the_same_corpus_gives_the_same_weights() -> None:
    first, second = fresh(), fresh()
    assert train_corpus(first, corpus(), PLAIN, HASTY, 0) == train_corpus(second, corpus(), PLAIN, HASTY, 0)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_a_finished_job_is_not_done_again() -> None:
    kept: dict[str, tuple[dict[str, torch.Tensor], dict[str, float]]] = {}

    def save(job: str, state: dict[str, torch.Tensor], figures: dict[str, float]) -> None:
        kept[job] = ({name: value.clone() for name, value in state.items()}, figures)

    first, second = fresh(), fresh()
    steps: list[str] = []
    expected = train_corpus(first, corpus(), PLAIN, HASTY, 0, store=Store(kept.get, save))
    del kept["embedding"]
    figures = train_corpus(
        second, corpus(), PLAIN, HASTY, 0, lambda job, done: steps.append(job), Store(kept.get, save)
    )
    assert set(steps) == {"embedding"}
    assert figures == expected
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_every_trained_part_belongs_to_a_job() -> None:
    parts = [name for names in JOBS.values() for name in names]
    closed_form = {"front", "expression_basis", "pose_basis"}
    assert sorted(parts) == sorted({"mouth", *SHARED} - closed_form)
    assert all(HASTY.steps(job) > 0 for job in JOBS)


def test_too_little_is_refused() -> None:
    members = corpus()
    with pytest.raises(ValueError, match="two people"):
        train_corpus(fresh(), members[:1], PLAIN, HASTY, 0)
    with pytest.raises(ValueError, match="two people"):
        train_corpus(fresh(), [members[0], replace(members[1], manner=members[0].manner)], PLAIN, HASTY, 0)
    with pytest.raises(ValueError, match="b has no 400"):
        long = Member("a", ("a", ""), [spoken_run(500)])
        train_corpus(fresh(), [long, members[1]], PLAIN, replace(HASTY, window=400), 0)


def test_a_person_starts_from_it_about_their_own_means(trained: tuple[CorpusPrior, dict[str, float]]) -> None:
    """With 60 frames of a person the held-out error is much smaller, and the common directions are kept."""
    prior = trained[0]
    whole = person(11)[0]
    little, test = (Run(*(getattr(whole, f)[part] for f in ("features", "energy", "expression", "pose")))
                    for part in (slice(0, 60), slice(70, 150)))  # fmt: skip
    plan = TrainingPlan(space_steps=15, embedding_steps=5, expression_steps=15, pose_steps=5, batch=4)
    errors = []
    for network in (small_network(60), start_from(small_network(60), prior)):
        log = train(network, [little], PLAIN, plan, 0)
        style = Motion(little.expression, little.pose)
        made = network.generate(test.features, test.energy, style, 1.0, torch.Generator().manual_seed(0)).expression
        errors.append(float((made - test.expression)[:, SPOKEN].square().mean()))
    assert errors[1] < 0.75 * errors[0]
    assert torch.equal(network.expression_basis.analysis, prior.expression_basis.analysis)
    assert torch.equal(network.front.basis, prior.front.basis)
    assert torch.allclose(network.expression_basis.mean, little.expression.mean(0))
    assert 0.5 < log.facts["expression_basis_share"] <= 1.0


def test_other_sizes_are_named() -> None:
    prior, network = fresh(), small_network()
    assert difference(network.config, prior.config) is None
    wider = replace(network.config, width=64)
    assert difference(wider, prior.config) == "width"
    network.config = wider
    with pytest.raises(ValueError, match="width"):
        start_from(network, prior)
