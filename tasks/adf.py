"""adf: train the subject's audio-driven FLAME, speech features and style to expression and head pose.

Stage one of ERLNet (arXiv 2404.19038); the parts are in models/adf, the choices in
docs/decisions/0005-audio-driven-flame.md.  Only the training part of the clip is seen; the metrics are those of the
rest, beside mean motion and ridge regression.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from models.adf.config import AdfConfig, BranchConfig, SpeechGroup
from models.adf.data import Run
from models.adf.eyes import EyeHabits, learn_habits
from models.adf.geometry import brow_metrics, expression_metric, mouth_opening
from models.adf.motion import POSE, expression_channels
from models.adf.network import Adf, Motion, with_prior
from models.adf.prior import MouthPrior
from models.adf.training import TrainingLog, TrainingPlan, train
from models.flame.head import FlameHead
from tasks.artifacts.adf import TrainedAdf, write_adf
from tasks.artifacts.curve import write_curve
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.metrics import write_metrics
from tasks.artifacts.speech import ENCODER, SpeechTrack, read_speech
from tasks.errors import StageFailed
from tasks.motion import spoken_rows, to_motion, usable_runs
from tasks.scoring.motion import evaluate
from tasks.speaker import STYLE_FRAMES
from tasks.split import train_length
from tasks.stage import main
from tasks.starting_point import PriorName, starting_point

MINIMUM = 48  # usable training frames without which nothing can be learned
WEIGHTS = {"mel": 0.5, "melody": 0.25}  # of groups of speech features, against the encoder's (docs/decisions/0025)
LIDS = ("eyeBlinkLeft", "eyeBlinkRight")


@dataclass(frozen=True)
class AdfParams:
    """Parameters of the adf stage.

    window: frames of a training and generation window.  expression_stride, pose_stride: frames of one latent.
    expression_components, pose_components: coordinates kept of each branch.  expression_codes, expression_levels,
    pose_codes, pose_levels: size and number of the residual codebooks.  speech_components: principal components kept
    of the speech encoder's features.  context: frames on each side that the closed-form skip path hears.  supports:
    most training frames that support the skip path.  width, layers, heads, dropout: of the transformers.  members:
    networks from speech to expression, which share expression_steps and whose motion is averaged.
    space_steps: of each VQ-VAE; embedding_steps, expression_steps, pose_steps: of the other trainings; batch: windows
    a step.  contrastive_weight: of the contrastive speech loss.  lively: spread that the mouth is brought to, as a
    share of the true one.  prior: to start from, which helps where there is little video: none, embedded
    (tasks/prior.py), or corpus, learned from other subjects (tasks/corpus_prior.py).  seed: of everything random.
    """

    window: int = 100
    expression_stride: int = 2
    pose_stride: int = 4
    expression_components: int = 24
    pose_components: int = 6
    expression_codes: int = 64
    expression_levels: int = 3
    pose_codes: int = 32
    pose_levels: int = 2
    speech_components: int = 40
    context: int = 10
    supports: int = 2000
    width: int = 64
    layers: int = 2
    heads: int = 4
    dropout: float = 0.2
    members: int = 3
    space_steps: int = 400
    embedding_steps: int = 250
    expression_steps: int = 300
    pose_steps: int = 400
    batch: int = 12
    contrastive_weight: float = 0.05
    lively: float = 0.65
    prior: PriorName = "none"
    seed: int = 0


def run(folder: SubjectFolder, params: AdfParams) -> TrainedAdf:
    """flame.parquet, speech.parquet, open head -> adf.safetensors, adf.json, adf_curve.csv.

    And the prior that ``params`` names.  Raises MissingInput, DamagedArtifact, or StageFailed where too little of the
    clip is usable; BadInput where the prior was made for another speech encoder, head model or size.
    """
    trained, sequence, speech, head, log = learn(folder, params)
    write_adf(folder.adf, trained)
    write_curve(folder.adf_curve, log.curve)
    write_metrics(folder.adf_metrics, evaluate(trained, sequence, speech, head, log.facts))
    return trained


def learn(
    folder: SubjectFolder, params: AdfParams, change: Callable[[Adf], None] | None = None
) -> tuple[TrainedAdf, FlameSequence, SpeechTrack, FlameHead, TrainingLog]:
    """Train; nothing is written.  change: is given the untrained network (for ablations).  Raises as ``run``."""
    sequence, speech = read_flame(folder.flame), read_speech(folder.speech)
    head_path = AssetFolder.default().open_head
    head = read_head(head_path)
    _check_head(sequence, head_identity(head_path)["sha256"], head)
    last = train_length(len(sequence))
    runs = training_runs(sequence, speech, 0, last)
    frames = sum(len(run) for run in runs)
    if frames < MINIMUM:
        raise StageFailed(
            f"{frames} of the {last} training frames can be used (face tracked and speech encoded), at least {MINIMUM} "
            "are needed: onboard a longer video, or one in which the face stays visible"
        )
    start, parts = starting_point(params.prior, speech, sequence)
    network = start(build(params, sequence.expression.shape[1], speech.groups, frames))
    if change is not None:
        change(network)
    # Networks this small gain nothing from a second thread, and one thread adds up in the same order everywhere.
    torch.set_num_threads(1)
    shape = torch.tensor(sequence.shape)
    seen = torch.cat([run.expression for run in runs])
    metric, opening = expression_metric(head, shape, seen.mean(0)), mouth_opening(head, shape, seen)
    plan = training_plan(params)
    with tqdm(total=plan.steps, desc="adf", unit="step", mininterval=2.0) as bar:

        def progress(phase: str, done: int) -> None:
            bar.set_postfix_str(phase, refresh=False)
            bar.update(done - bar.n)

        log = train(
            network, runs, metric, plan, params.seed, progress, opening, brow_metrics(head, shape, seen.mean(0))
        )
    longest = max(runs, key=len)
    trained = TrainedAdf(
        network=network,
        style=Motion(longest.expression[:STYLE_FRAMES], longest.pose[:STYLE_FRAMES]),
        habits=_habits(sequence, head, last),
        shape=sequence.shape,
        focal=sequence.focal,
        image_size=sequence.image_size,
        fps=sequence.fps,
        head=sequence.head,
        encoder=speech.encoder,
        parts=sequence.parts | parts,
    )
    return trained, sequence, speech, head, log


def training_runs(sequence: FlameSequence, speech: SpeechTrack, start: int, stop: int) -> list[Run]:
    """Uninterrupted usable rows ``start`` to ``stop`` of ``sequence`` with the speech rows of the same frame ids."""
    rows = spoken_rows(sequence, speech)
    inside = np.zeros(len(sequence), bool)
    inside[start:stop] = True
    runs = []
    for part in usable_runs((rows >= 0) & sequence.usable & inside):
        motion = to_motion(sequence, part)
        features, energy = (
            torch.tensor(column[rows[part]], dtype=torch.float32) for column in (speech.features, speech.energy)
        )
        runs.append(Run(features, energy, motion.expression, motion.pose))
    return runs


def build(
    params: AdfParams,
    expression: int,
    speech: tuple[tuple[str, int], ...],
    frames: int,
    prior: MouthPrior | None = None,
) -> Adf:
    """An untrained network for ``expression`` coefficients, groups of ``speech`` features (name, channels), ``frames``
    training frames; it carries ``prior`` with it."""
    channels = expression_channels(expression)
    width = params.width
    config = AdfConfig(
        expression=BranchConfig(
            channels,
            min(params.expression_components, channels),
            params.expression_stride,
            params.expression_codes,
            params.expression_levels,
            width,
            params.layers,
        ),
        pose=BranchConfig(
            POSE,
            min(params.pose_components, POSE),
            params.pose_stride,
            params.pose_codes,
            params.pose_levels,
            width // 2,
            max(1, params.layers - 1),
        ),
        speech=tuple(
            SpeechGroup(
                name,
                channels,
                min(params.speech_components, channels) if name == ENCODER else channels,
                WEIGHTS.get(name, 1.0),
            )
            for name, channels in speech
        ),
        context=params.context,
        window=params.window,
        style_channels=128,
        embedding_channels=32,
        width=width,
        layers=params.layers,
        heads=params.heads,
        dropout=params.dropout,
        members=params.members,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        network = Adf(config, min(frames, params.supports))
    return network if prior is None else with_prior(network, prior)


def training_plan(params: AdfParams) -> TrainingPlan:
    """The part of the parameters that training itself needs."""
    return TrainingPlan(
        space_steps=params.space_steps,
        embedding_steps=params.embedding_steps,
        expression_steps=params.expression_steps,
        pose_steps=params.pose_steps,
        batch=params.batch,
        contrastive_weight=params.contrastive_weight,
        lively=params.lively,
    )


def _habits(sequence: FlameSequence, head: FlameHead, last: int) -> EyeHabits:
    rows = np.flatnonzero(sequence.usable[:last])
    channels = [head.expression_names.index(name) for name in LIDS if name in head.expression_names]
    return learn_habits(
        torch.tensor(sequence.expression[rows]),
        torch.tensor(sequence.eyes_rotation[rows]),
        channels,
        [float(head.expression_range[channel, 1]) for channel in channels],
        sequence.fps,
    )


def _check_head(sequence: FlameSequence, sha256: str, head: FlameHead) -> None:
    if sequence.head.get("sha256") != sha256:
        raise StageFailed(
            f"flame.parquet was tracked with head model {sequence.head.get('name')!r} "
            f"({str(sequence.head.get('sha256'))[:12]}), the head asset is another ({sha256[:12]}): track again"
        )
    if sequence.expression.shape[1] != head.expression_size or len(sequence.shape) != head.shape_size:
        raise StageFailed("flame.parquet and the head asset have different numbers of coefficients: track again")


if __name__ == "__main__":
    raise SystemExit(main("adf", AdfParams, run))
