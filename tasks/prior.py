"""Build the embedded prior of the ADF: what a mouth usually does for a sound, learned from a stated teacher.

``python -m tasks.prior`` writes data/assets/adf_prior.safetensors (some 2 MB, two or three minutes of one core).
A synthesiser says drawn sentences in several voices, clean and as if recorded in rooms, and tells when each phone
begins; visemes with co-articulation (models/visemes) make the mouth of it; a network learns the mouth from the sound.
It stands in for a corpus of filmed people and says so.  Several processes: ``torchrun --nproc-per-node 2 -m
tasks.prior``.

docs/prior.md is its model card.
"""

import argparse
import time
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from models.adf.config import PriorConfig
from models.adf.data import Run
from models.adf.geometry import expression_metric, mouth_opening
from models.adf.prior import MouthPrior
from models.adf.prior_training import train_prior
from models.flame.head import FlameHead
from models.visemes.articulation import Articulation, articulation
from models.visemes.branch import lip_closure
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.layout import AssetFolder
from tasks.artifacts.prior import write_prior
from tasks.command_line import exit_status
from tasks.errors import StageFailed
from tasks.params import load_shared
from tasks.processes import processes, quiet
from tasks.speech import SpeechParams, encode
from tasks.teaching.espeak import NAME, PACKAGE, Synthesiser, Voice
from tasks.teaching.teacher import FPS, Lesson, lesson, to_run, varied_lesson

PART = "embedded teacher (synthetic visemes; stands in for a corpus of people)"
OPENING_WEIGHT = 0.3  # of the mouth's opening (mm^2) beside the mean squared displacement of the face

VOICES = (
    Voice("en-us", 165, 50), Voice("en-us+f2", 160, 45), Voice("en-us+m3", 150, 40), Voice("en+f5", 170, 55),
    Voice("en-us+m7", 142, 60), Voice("en-us-nyc+linda", 175, 62), Voice("gmw/en-GB-x-rp+Andy", 165, 52),
    Voice("en-us+klatt4", 190, 56), Voice("en-gb-scotland+f3", 170, 50), Voice("en-us+Annie", 168, 64),
    Voice("en-029+m1", 150, 58), Voice("en-us+anika", 176, 34), Voice("en+steph", 156, 60),
    Voice("en-us+belinda", 168, 35), Voice("en-us+f3", 165, 50), Voice("en-us+m2", 165, 45),
    Voice("en-us+m6", 160, 50), Voice("en-gb-scotland+m8", 165, 48), Voice("en-us+Mike", 165, 45),
    Voice("en-us-nyc+grandma", 160, 50), Voice("en+aunty", 160, 55), Voice("en-us+max", 165, 48),
)  # fmt: skip
HELD_BACK = (Voice("en-us+m5", 165, 48), Voice("en+f1", 160, 52), Voice("en-us+Alicia", 168, 50))
"""Voices that decide the threshold: neither trained on nor reported."""
SEAL = 0.01  # rad
THRESHOLDS = (0.0, -1.0, -2.0, -2.5, -3.0, -3.5, -4.0)
MAX_SHUT = 0.04  # share of the frames of other phones at which the lips may close for nothing
UNHEARD = (Voice("en-us+m4", 160, 45), Voice("gmw/en-GB-x-rp+f4", 150, 55), Voice("en-us+f1", 170, 60))


@dataclass(frozen=True)
class PriorParams:
    """Parameters of the prior: the section ``prior`` of params.yaml, shared by all subjects.

    sentences: that each voice says, some 3 s each; half of them varied, as if recorded somewhere.  steps: of training;
    batch: windows of 4 s a step, over all processes.  components: kept of the speech features; motion: coordinates of
    the mouth; width: of the network.
    """

    sentences: int = 30
    steps: int = 1500
    batch: int = 16
    components: int = 96
    motion: int = 16
    width: int = 192
    seed: int = 0


def run(path: Path, params: PriorParams) -> dict[str, Any]:
    """Teach, train, try on voices that were not heard; write ``path``; return the facts stored with it.

    Raises MissingInput, or StageFailed where the synthesiser is missing or the head model has no named actions.
    """
    assets = AssetFolder.default()
    head = read_head(assets.open_head)
    synthesiser = Synthesiser()
    count = max(params.sentences // 2, 1)
    taught = [
        make(synthesiser, voice, count, params.seed + 2 * i + k)
        for i, voice in enumerate(VOICES)
        for k, make in enumerate((lesson, varied_lesson))
    ]
    try:
        runs = [
            to_run(head, one) for one in tqdm(taught, desc="lessons", unit="lesson", mininterval=2.0, disable=quiet())
        ]
    except ValueError as error:
        raise StageFailed(f"{error}: the embedded prior needs the open head; set adf.prior: none") from error
    # Groups of features: the encoder's first, then measured ones, which the prior does not hear.
    heard = encode(np.zeros(16000, np.float32), params=SpeechParams())
    prior, losses = fit(head, runs, heard.groups[0][1], params)
    held_back = [varied_lesson(synthesiser, voice, count, 500 + i) for i, voice in enumerate(HELD_BACK)]
    prior.seal.fill_(SEAL)
    set_threshold(prior, head, held_back)
    facts: dict[str, Any] = {
        "part": PART,
        "encoder": heard.encoder,
        "head": head_identity(assets.open_head),
        "teacher": f"{NAME} ({PACKAGE} {version(PACKAGE)}), visemes with co-articulation",
        "voices": [voice.name for voice in VOICES],
        "seconds": round(sum(len(run) for run in runs) / FPS),
        "params": asdict(params),
        "threshold": round(float(prior.threshold), 2),
        "loss": round(float(np.mean(losses[-50:])), 4),
        "unheard": {
            voice.name: examine(prior, head, lesson(synthesiser, voice, params.sentences, 1000 + i))
            for i, voice in enumerate(UNHEARD)
        },
    }
    if not quiet():
        write_prior(path, prior, facts)
    return facts


def fit(head: FlameHead, runs: list[Run], features: int, params: PriorParams) -> tuple[MouthPrior, list[float]]:
    """A prior trained on the first ``features`` speech features of ``runs``, and its loss step by step."""
    torch.set_num_threads(1)  # the same sums on every machine
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        channels = runs[0].expression.shape[1]
        prior = MouthPrior(PriorConfig(features, params.components, channels, params.motion, params.width))
    with tqdm(total=params.steps, desc="prior", unit="step", mininterval=2.0, disable=quiet()) as bar:
        losses = train_prior(
            prior,
            runs,
            mouth_metric(head),
            partial(lip_closure, head),
            params.steps,
            params.batch,
            params.seed,
            lambda done: bar.update(done - bar.n),
        )
    return prior, losses


def set_threshold(prior: MouthPrior, head: FlameHead, lessons: list[Lesson]) -> None:
    """Of THRESHOLDS set the lowest, which shuts the lips most readily, with which they close for nothing at no more
    than MAX_SHUT of the lessons' frames; the highest where there is none."""
    runs = [to_run(head, taught) for taught in lessons]
    best = THRESHOLDS[0]
    for value in THRESHOLDS:
        prior.threshold.fill_(value)
        found = [articulate(prior, head, taught, one) for taught, one in zip(lessons, runs, strict=True)]
        if np.mean([a.shut for a in found]) <= MAX_SHUT:
            best = value
    prior.threshold.fill_(best)


def articulate(prior: MouthPrior, head: FlameHead, taught: Lesson, one: Run) -> Articulation:
    """Articulation of the prior's mouth for a lesson's sound, as ``to_run`` made it."""
    neutral = torch.zeros(head.shape_size)
    said = mouth_opening(head, neutral, prior(one.features, one.energy)).numpy()
    rest = float(mouth_opening(head, neutral, torch.zeros(1, one.expression.shape[1])))
    return articulation(taught.phones, said, rest, FPS)


def examine(prior: MouthPrior, head: FlameHead, taught: Lesson) -> dict[str, float]:
    """Articulation of the prior's mouth for a lesson's sound, and the correlation of its opening with the teacher's."""
    one = to_run(head, taught)
    neutral = torch.zeros(head.shape_size)
    said = mouth_opening(head, neutral, prior(one.features, one.energy)).numpy()
    told = mouth_opening(head, neutral, one.expression).numpy()
    return asdict(articulate(prior, head, taught, one)) | {"opening_correlation": float(np.corrcoef(said, told)[0, 1])}


def mouth_metric(head: FlameHead) -> torch.Tensor:
    """Metric [E + 9, E + 9]: face vertices as for a subject, and the mouth's opening, which closures depend on."""
    neutral, size = torch.zeros(head.shape_size), head.expression_size + 9
    metric = expression_metric(head, neutral, torch.zeros(size))
    step = 0.01
    openings = mouth_opening(head, neutral, torch.cat([torch.zeros(1, size), step * torch.eye(size)]))
    slope = (openings[1:] - openings[0]) / step
    return metric + OPENING_WEIGHT * torch.outer(slope, slope)


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks.prior", description=__doc__)
    parser.add_argument("--out", type=Path, default=AssetFolder.default().adf_prior, help="file to write")
    arguments = parser.parse_args(argv)

    def work() -> None:
        started = time.monotonic()
        with processes():
            facts = run(arguments.out, load_shared(PriorParams, "prior"))
            if quiet():
                return
        print(f"embedded prior from {facts['seconds']} s of speech in {time.monotonic() - started:.0f} s")
        for name, figures in facts["unheard"].items():
            print(
                f"unheard voice {name}: closed on {100 * figures['closed']:.0f} % of {figures['closures']} m/b/p, "
                f"open on {100 * figures['opened']:.0f} % of {figures['vowels']} open vowels, "
                f"shut for nothing at {100 * figures['shut']:.1f} % of the frames, "
                f"opening correlation {figures['opening_correlation']:.2f}"
            )

    return exit_status("prior", work)


if __name__ == "__main__":
    raise SystemExit(main())
