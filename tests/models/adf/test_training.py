"""Training on synthetic speech that drives motion: it learns, it repeats, it generates any length."""

import dataclasses

import pytest
import torch
from spoken_motion import EXPRESSION, small_network, spoken_run

from models.adf.config import SpeechGroup
from models.adf.data import Run, Segment, WindowSampler, hold_back
from models.adf.manner import Manner, between, pace, spread, strengthened
from models.adf.motion import plain_metric
from models.adf.network import Adf, Motion
from models.adf.training import TrainingLog, TrainingPlan, train

PLAN = TrainingPlan(space_steps=60, embedding_steps=60, expression_steps=60, pose_steps=60, batch=8)


def trained(run: Run, plan: TrainingPlan = PLAN, seed: int = 0) -> tuple[Adf, TrainingLog]:
    network = small_network()
    log = train(network, [run], plain_metric(run.expression), plan, seed)
    return network, log


@pytest.fixture(scope="module")
def learned() -> tuple[Adf, TrainingLog, Run]:
    run = spoken_run(400)
    return *trained(run), run


def generate(network: Adf, run: Run, style: Run | Manner, seed: int = 0, temperature: float = 1.0) -> Motion:
    manner = Motion(style.expression, style.pose) if isinstance(style, Run) else style
    return network.generate(run.features, run.energy, manner, temperature, torch.Generator().manual_seed(seed))


def test_held_out_error_is_far_below_mean_motion(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, run = learned
    test = spoken_run(150, seed=5)
    made = generate(network, test, run).expression[:, : EXPRESSION + 3]
    truth = test.expression[:, : EXPRESSION + 3]
    error = (made - truth).square().mean(0)
    baseline = (run.expression.mean(0)[: EXPRESSION + 3] - truth).square().mean(0)
    assert float((error / baseline).mean()) < 0.5
    assert 0.7 < float(made.std(0).mean() / truth.std(0).mean()) < 1.2


def test_the_codes_alone_carry_speech_too(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, run = learned
    test = spoken_run(150, seed=5)
    style = network.style_code(Motion(run.expression, run.pose))
    _, decoded = network.expression_parts(network.front(test.features, test.energy), style)
    truth = network.expression_basis(test.expression)
    assert float((decoded - truth).square().sum()) < 0.85 * float(truth.square().sum())


@torch.no_grad()
def test_speech_and_motion_find_each_other(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, _ = learned
    test = spoken_run(150, seed=6)
    sound = network.embedding.embed_speech(network.front(test.features, test.energy)[None])[0]
    motion = network.embedding.embed_motion(network.expression_basis(test.expression)[None])[0]
    right = float((sound * motion).sum(-1).mean())
    shifted = float((sound[20:] * motion[:-20]).sum(-1).mean())
    assert right > shifted + 0.2


def test_losses_fall_and_codes_are_used(learned: tuple[Adf, TrainingLog, Run]) -> None:
    _, log, _ = learned
    for name in ("expression_space.reconstruction", "pose_space.reconstruction", "embedding.info_nce", "pose.codes"):
        values = [row[name] for row in log.curve if name in row]
        assert values[-1] < 0.8 * values[0], name
    assert log.facts["expression_perplexity_1"] > 6
    assert log.facts["pose_perplexity_1"] > 3
    steps = [row["step"] for row in log.curve]
    assert steps == sorted(steps)
    assert steps[-1] == PLAN.steps


def test_the_same_seed_gives_the_same_weights_and_motion() -> None:
    plan = dataclasses.replace(PLAN, space_steps=6, embedding_steps=6, expression_steps=6, pose_steps=6)
    run = spoken_run(160)
    first, second, other = trained(run, plan)[0], trained(run, plan)[0], trained(run, plan, seed=1)[0]
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert not torch.equal(first.to_expression.members[1].hear.weight, other.to_expression.members[1].hear.weight)
    test = spoken_run(60, seed=3)
    a, b = generate(first, test, run), generate(second, test, run)
    assert torch.equal(a.pose, b.pose)
    assert torch.equal(a.expression, b.expression)
    assert not torch.equal(a.pose, generate(first, test, run, seed=1).pose)


@pytest.mark.parametrize("frames", [1, 2, 3, 47, 48, 49, 131])
def test_any_length_comes_out_finite(learned: tuple[Adf, TrainingLog, Run], frames: int) -> None:
    network, _, run = learned
    test = spoken_run(131, seed=4)
    part = Run(*(getattr(test, f.name)[:frames] for f in dataclasses.fields(Run)))
    made = generate(network, part, run)
    assert made.expression.shape == (frames, EXPRESSION + 9)
    assert made.pose.shape == (frames, 9)
    assert torch.isfinite(made.expression).all()
    assert torch.isfinite(made.pose).all()


def test_long_motion_does_not_drift_or_jump(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, run = learned
    test = spoken_run(3000, seed=8)
    made = generate(network, test, run)
    low, high = run.pose.min(0).values, run.pose.max(0).values
    room = high - low
    assert torch.all(made.pose > low - 0.5 * room)
    assert torch.all(made.pose < high + 0.5 * room)
    assert float((made.pose[-500:].mean(0) - run.pose.mean(0)).abs().div(room).max()) < 0.35
    # Seams would lie at multiples of half a window: motion there is no faster than elsewhere.
    speed = network.expression_basis(made.expression).diff(dim=0).norm(dim=1)
    seams = speed[23::24]
    assert float(seams.mean()) < 1.3 * float(speed.mean())


def test_temperature_zero_needs_no_seed(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, run = learned
    test = spoken_run(80, seed=9)
    assert torch.equal(generate(network, test, run, 1, 0.0).pose, generate(network, test, run, 2, 0.0).pose)


@torch.no_grad()
def test_in_silence_the_mouth_rests(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, run = learned
    test = spoken_run(120, seed=10)
    energy = test.energy.clone()
    energy[60:] = -100.0
    made = generate(network, Run(test.features, energy, test.expression, test.pose), run)
    assert torch.allclose(made.expression[66:], network.to_flame(network.rest[None]).expand(54, -1), atol=1e-3)
    assert float(network.silence.stillness(energy, None)[:50].max()) < 0.05


def test_far_from_voice_the_mouth_rests_as_the_subject_does() -> None:
    config = small_network().config
    torch.manual_seed(0)
    network = Adf(dataclasses.replace(config, speech=(*config.speech, SpeechGroup("voice", 1, 1))), 300)
    run, voice, opening = spoken_run(300), torch.ones(300, 1), torch.ones(300)
    voice[100:130] = 0.0
    opening[110:120] = 0.0  # the narrowest of the pause
    run.expression[110:120, :EXPRESSION] = 0.25
    run = dataclasses.replace(run, features=torch.cat([run.features, voice], 1))
    plan = dataclasses.replace(PLAN, space_steps=4, embedding_steps=4, expression_steps=4, pose_steps=4)
    train(network, [run], plain_metric(run.expression), plan, 0, opening=opening)
    rest = network.to_flame(network.rest[None])
    assert torch.allclose(rest[0, :EXPRESSION], torch.tensor(0.25), atol=0.02)
    # As loud as ever and as lively: only the probability says that this is no voice.
    test, spoken = spoken_run(200, seed=10), torch.ones(200, 1)
    spoken[80:160] = 0.1
    test = dataclasses.replace(test, features=torch.cat([test.features, spoken], 1))
    off = (generate(network, test, run).expression - rest).abs().amax(1)
    assert float(off[100:139].max()) < 1e-3
    assert float(off[82:87].mean()) > 0.05  # it leaves a word in its own time
    assert float(off[153:158].mean()) > 0.05  # and opens before the next


def test_a_livelier_style_moves_the_head_more(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, run = learned
    test = spoken_run(200, seed=12)
    for factor in (0.6, 1.7):
        middle = run.pose.mean(0)
        style = Run(run.features, run.energy, run.expression, middle + factor * (run.pose - middle))
        manner = network.manner(Motion(style.expression, style.pose))
        assert torch.allclose(manner.expression, torch.ones_like(manner.expression), atol=1e-3)
        assert torch.allclose(manner.pose, torch.full_like(manner.pose, factor ** (400 / 440)), rtol=0.05)
        made, own = generate(network, test, manner), generate(network, test, run)
        spread = made.pose.std(0).norm() / own.pose.std(0).norm()
        assert (float(spread) > 1.1) if factor > 1 else (float(spread) < 0.9)


@torch.no_grad()
def test_a_quicker_style_moves_the_head_faster(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, log, run = learned
    quick = Motion(run.expression[::2], run.pose[::2])
    manner = network.manner(quick)
    assert 1.2 < manner.tempo < 2.0
    assert network.manner(Motion(run.expression, run.pose)).tempo == pytest.approx(1.0)
    heard = network.front(run.features, run.energy)

    def made(tempo: float) -> torch.Tensor:
        seeds = (network.turned(heard, manner.code, 1.0, torch.Generator().manual_seed(k), tempo) for k in range(4))
        return torch.cat(list(seeds))

    assert made(0.5).shape == (4 * len(run.pose), network.config.pose.components)
    paces = [float(pace(made(tempo))) for tempo in (0.5, 1.0, 2.0)]
    assert paces[0] < 0.75 * paces[1]
    assert paces[2] > 1.2 * paces[1]
    assert log.facts["pace_lack"] == pytest.approx(float(network.pace_lack))


@torch.no_grad()
def test_what_made_motion_lacks_is_measured(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, run = learned
    own = network.own_manner(Motion(run.expression, run.pose))
    another = Manner(own.code, own.expression, own.pose, lively=1.0)
    test = spoken_run(300, seed=15)
    calm, lively = (
        spread(
            network.expression_basis(
                network.generate(test.features, test.energy, manner, 1.0, torch.Generator().manual_seed(0)).expression
            )
        )
        for manner in (own, another)
    )
    truth = spread(network.expression_basis(run.expression))
    assert torch.allclose(network.expression_spread, truth)
    lacking = calm < 0.8 * truth
    assert bool(lacking.any())
    # Nearer to the truth's spread wherever the face was too calm, and no less lively anywhere.
    assert bool(((lively / truth - 1).abs() < (calm / truth - 1).abs())[lacking].all())
    assert bool((lively > 0.95 * calm).all())


@torch.no_grad()
def test_sampled_head_motion_is_brought_to_the_filmed_spread(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, run = learned
    own = network.own_manner(Motion(run.expression, run.pose))
    assert torch.allclose(network.pose_spread, spread(network.pose_basis(run.pose)))
    lacking = network.pose_spread / network.pose_made
    assert torch.allclose(network.further(own), lacking.clamp(0.5, 2.0), rtol=0.05)
    heard = network.front(run.features, run.energy)
    unheard = network.turned(heard.flip(0), own.code, 1.0, torch.Generator().manual_seed(0))
    wanted = network.pose_spread.norm()
    assert abs(float(spread(network.further(own) * unheard).norm() / wanted) - 1) < abs(
        float(spread(unheard).norm() / wanted) - 1
    )


def scaled(network: Adf, run: Run, factor: float) -> Motion:
    """The run as somebody would move whose face goes ``factor`` times as far from rest."""
    rest = network.expression_basis.inverse(network.rest)
    return Motion(rest + factor * (run.expression - rest), run.pose)


@torch.no_grad()
def test_generation_follows_the_style_that_is_given(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, run = learned
    test = spoken_run(300, seed=13)
    wide, narrow = scaled(network, run, 1.6), scaled(network, run, 0.6)

    def made(manner: Manner) -> torch.Tensor:
        motion = network.generate(test.features, test.energy, manner, 1.0, torch.Generator().manual_seed(0))
        return network.expression_basis(motion.expression).std(0)

    manners = [network.manner(style) for style in (narrow, wide)]
    own = network.manner(Motion(run.expression, run.pose))
    spreads = [made(manner).norm() / made(own).norm() for manner in manners]
    # Regressed motion is calmer than filmed motion in every style alike: what counts is the change against the own one.
    assert float(spreads[0]) == pytest.approx(0.6, abs=0.15)
    assert float(spreads[1]) == pytest.approx(1.6, abs=0.3)
    steps = [float(made(between(*manners, weight)).norm()) for weight in (0.0, 0.3, 0.7, 1.0)]
    assert steps == sorted(steps)
    far = [float(made(strengthened(own, manners[1], strength)).norm()) for strength in (0.0, 0.5, 1.0)]
    assert far == sorted(far)
    assert far[0] < 0.8 * far[2]


@torch.no_grad()
def test_emphasis_opens_loud_stretches_and_keeps_shut_lips_shut(learned: tuple[Adf, TrainingLog, Run]) -> None:
    network, _, run = learned
    test = spoken_run(300, seed=14)
    energy = test.energy.clone()
    energy[:150] -= 6.0
    style = Motion(run.expression, run.pose)
    plain, strong = (
        network.generate(test.features, energy, style, 0.0, torch.Generator(), emphasis).expression
        for emphasis in (0.0, 0.6)
    )
    ratio = [
        float(
            (network.expression_basis(strong[part]) - network.rest).norm()
            / (network.expression_basis(plain[part]) - network.rest).norm()
        )
        for part in (slice(20, 130), slice(170, 280))
    ]
    assert ratio[0] < 0.9 < 1.05 < ratio[1]
    assert (strong >= network.lower - 1e-5).all()


def test_one_still_frame_after_the_other_is_learned_as_stillness() -> None:
    run = spoken_run(120)
    still = Run(run.features, run.energy, run.expression[:1].repeat(120, 1), run.pose[:1].repeat(120, 1))
    plan = dataclasses.replace(PLAN, space_steps=4, embedding_steps=4, expression_steps=4, pose_steps=4)
    network, _ = trained(still, plan)
    made = generate(network, run, still)
    assert torch.allclose(made.expression, still.expression, atol=1e-3)
    assert torch.allclose(made.pose, still.pose, atol=1e-3)


def test_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="no frames"):
        train(small_network(), [], torch.eye(EXPRESSION + 9), PLAN, 0)


def test_sampler_never_crosses_a_gap_and_holds_back_the_end() -> None:
    def segment(first: int, count: int) -> Segment:
        rows = torch.arange(first, first + count, dtype=torch.float32)[:, None]
        return Segment(rows, rows, rows, rows)

    segments = [segment(0, 60), segment(1000, 80)]
    early, late = hold_back(segments, 0.25)
    assert [len(s) for s in early] == [60, 45]
    assert late[0].heard[0, 0] == 1045
    assert len(late[0]) == 35
    sampler = WindowSampler(segments, 40, 4, torch.Generator().manual_seed(0))
    batch = sampler(64, warp=False)
    assert batch.heard.shape == (64, 40, 1)
    assert torch.all(batch.heard.diff(dim=1) == 1)
    warped = sampler(64)
    assert warped.heard.shape == (64, 40, 1)
    assert float(warped.heard.diff(dim=1).max()) < 1.2


def test_brows_of_which_sound_tells_little_get_more_of_their_range() -> None:
    run = spoken_run(400)
    wander = torch.randn(400, generator=torch.Generator().manual_seed(8)).cumsum(0)
    expression = run.expression.clone()
    expression[:, 0] = 0.5 * expression[:, 0] + 0.3 * (wander - wander.mean()) / wander.std()
    run = dataclasses.replace(run, expression=expression)
    one = torch.zeros(EXPRESSION + 9)
    one[0] = 1.0
    plan = dataclasses.replace(PLAN, space_steps=20, embedding_steps=2, expression_steps=20, pose_steps=2)
    reach = {}
    for name, brows in (("calm", None), ("given back", (torch.diag(one), torch.diag(1 - one)))):
        network = small_network()
        log = train(network, [run], plain_metric(run.expression), plan, 0, brows=brows)
        made, real = generate(network, spoken_run(150, seed=5), run).expression, run.expression
        reach[name] = float(spread(made[:, :1]) / spread(real[:, :1]))
        gain = log.facts.get("brow_gain", 1.0)
    assert 1.1 < gain <= 2.0
    assert reach["given back"] == pytest.approx(gain * reach["calm"], rel=0.1)
