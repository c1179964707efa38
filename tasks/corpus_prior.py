"""Train the corpus prior: what the ADFs of many people have in common, learned from this installation's own subjects.

``erlnet prior`` runs it as the DVC stage of data/priors/dvc.yaml; by hand: ``python -m tasks.corpus_prior``.  Several
processes: ``torchrun --nproc-per-node 2 -m tasks.corpus_prior`` (four parts can be trained side by side), to the same
bits.  Only the training part of every subject is read.  docs/corpus.md says how to make a corpus.
"""

import argparse
import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from tqdm import tqdm

from models.adf.config import PriorConfig
from models.adf.corpus_prior import CorpusPrior
from models.adf.corpus_training import JOBS, CorpusPlan, Member, Store, train_corpus
from models.adf.geometry import expression_metric
from tasks.adf import AdfParams, build, training_runs
from tasks.artifacts.checkpoint import Checkpoint, fingerprint, read_checkpoint, write_checkpoint
from tasks.artifacts.corpus import CorpusMember, read_corpus
from tasks.artifacts.corpus_prior import write_corpus_prior
from tasks.artifacts.flame import read_flame
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.layout import AssetFolder, PriorFolder, SubjectFolder
from tasks.artifacts.speech import SpeechTrack, read_speech
from tasks.command_line import exit_status
from tasks.errors import BadInput
from tasks.params import load_shared
from tasks.processes import become, processes, quiet, wanted_processes
from tasks.split import train_length


@dataclasses.dataclass(frozen=True)
class CorpusPriorParams:
    """Parameters of the corpus prior: the section ``corpus_prior`` of params.yaml, shared by all subjects.

    subjects: ids, or patterns with '*'; empty: there is no such prior.  name: what artifacts call it.
    mouth_steps, space_steps, embedding_steps, style_steps, pose_steps: of the trainings; batch: windows a step;
    window: frames of one.  seconds: most that is used of a subject, from its beginning.  components, motion,
    mouth_width: sizes of the network from sound to mouth, as of the embedded prior.  width, layers, speech_components:
    as in the adf section of the profiles whose subjects start from this prior.  seed: of everything random.
    """

    subjects: tuple[str, ...] = ()
    name: str = "corpus"
    mouth_steps: int = 1500
    space_steps: int = 1000
    embedding_steps: int = 600
    style_steps: int = 400
    pose_steps: int = 1000
    batch: int = 12
    window: int = 60
    seconds: float = 300.0
    components: int = 96
    motion: int = 24
    mouth_width: int = 192
    width: int = 64
    layers: int = 2
    speech_components: int = 40
    seed: int = 0


def run(folder: PriorFolder, params: CorpusPriorParams) -> dict[str, Any]:
    """Learn from the subjects that corpus.yaml lists, write corpus.safetensors; return the facts stored with it.

    A part that a run before, cut short, had finished is taken over.  Raises MissingInput, DamagedArtifact, or BadInput
    where the subjects do not fit together or are too few.
    """
    members = sorted(read_corpus(folder.members).members, key=lambda member: member.id)
    assets = AssetFolder.default()
    head, identity = read_head(assets.open_head), head_identity(assets.open_head)
    learned, speech, files = _read_members(members, identity, params)
    prior = _untrained(params, head.expression_size, speech)
    neutral = torch.zeros(head.shape_size)
    centre = torch.cat([run.expression for member in learned for run in member.runs]).mean(0)
    plan = CorpusPlan(
        params.mouth_steps,
        params.space_steps,
        params.embedding_steps,
        params.style_steps,
        params.pose_steps,
        params.batch,
        params.window,
    )
    torch.set_num_threads(1)  # the same sums on every machine
    state = dataclasses.asdict(params) | {"members": [member.model_dump() for member in members]}
    store = _store(folder, fingerprint(state, [*files, assets.open_head]))
    total = sum(plan.steps(job) for job in JOBS)
    bars: dict[str, int] = {}
    with tqdm(total=total, desc="corpus prior", unit="step", mininterval=2.0, disable=quiet()) as bar:

        def progress(job: str, done: int) -> None:
            bar.set_postfix_str(job, refresh=False)
            bar.update(done - bars.get(job, 0))
            bars[job] = done

        figures = train_corpus(
            prior, learned, expression_metric(head, neutral, centre), plan, params.seed, progress, store
        )
    facts: dict[str, Any] = {
        "name": params.name,
        "members": [
            member.model_dump() | {"seconds": round(sum(len(run) for run in one.runs) / speech.fps, 1)}
            for member, one in zip(members, learned, strict=True)
        ],
        "split": "training part of every subject (first 10/11) only",
        "encoder": speech.encoder,
        "head": identity,
        "params": dataclasses.asdict(params),
        "figures": {name: round(value, 4) for name, value in figures.items()},
    }
    if not quiet():
        write_corpus_prior(folder.weights, prior, facts)
    if dist.is_initialized():
        dist.barrier()
    if not quiet():
        shutil.rmtree(folder.checkpoints, ignore_errors=True)
    return facts


def _read_members(
    members: list[CorpusMember], head: dict[str, Any], params: CorpusPriorParams
) -> tuple[list[Member], SpeechTrack, list[Path]]:
    """Training runs of every member, one member's speech as an example, and the files that were read."""
    if len({(member.person, member.style) for member in members}) < 2:
        raise BadInput(
            f"a corpus of {len(members)} subject{'s' * (len(members) != 1)} of one person in one style: "
            "corpus_prior.subjects in params.yaml must name two people or styles, or more"
        )
    learned, files = [], []
    first: SpeechTrack | None = None
    for member in tqdm(members, desc="reading", unit="subject", mininterval=2.0, disable=quiet()):
        folder = SubjectFolder.of(member.id)
        sequence, speech = read_flame(folder.flame), read_speech(folder.speech)
        if sequence.head.get("sha256") != head["sha256"]:
            raise BadInput(
                f"subject {member.id} was tracked with the head model {sequence.head.get('name')!r}, the head asset is "
                f"another ({head['name']!r}): a corpus has one head model; 'erlnet repro {member.id}' tracks again"
            )
        first = first or speech
        if (speech.encoder, speech.groups, speech.fps) != (first.encoder, first.groups, first.fps):
            raise BadInput(
                f"subject {member.id}'s speech is encoded by {speech.encoder!r}, {members[0].id}'s by "
                f"{first.encoder!r}: a corpus has one speech encoder; give their profiles the same speech.encoder"
            )
        last = min(train_length(len(sequence)), round(params.seconds * sequence.fps))
        runs = [run for run in training_runs(sequence, speech, 0, last) if len(run) >= params.window]
        if not runs:
            raise BadInput(
                f"subject {member.id} has no {params.window} usable frames on end: take it out of "
                "corpus_prior.subjects in params.yaml, or set a smaller corpus_prior.window"
            )
        learned.append(Member(member.id, (member.person, member.style), runs))
        files += [folder.flame, folder.speech]
    assert first is not None
    return learned, first, files


def _untrained(params: CorpusPriorParams, expression: int, speech: SpeechTrack) -> CorpusPrior:
    shape = AdfParams(width=params.width, layers=params.layers, speech_components=params.speech_components)
    config = build(shape, expression, speech.groups, 1).config
    mouth = PriorConfig(
        speech.groups[0][1],
        min(params.components, speech.groups[0][1]),
        config.expression.channels,
        min(params.motion, config.expression.channels),
        params.mouth_width,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        return CorpusPrior(config, mouth)


def _store(folder: PriorFolder, belongs_to: str) -> Store:
    """Finished jobs as files, each written by the process that did it."""

    def load(job: str) -> tuple[dict[str, torch.Tensor], dict[str, float]] | None:
        found = read_checkpoint(folder.checkpoints / f"{job}.safetensors", belongs_to)
        return (found.tensors, found.curve[0]) if found else None

    def save(job: str, state: dict[str, torch.Tensor], figures: dict[str, float]) -> None:
        folder.checkpoints.mkdir(parents=True, exist_ok=True)
        write_checkpoint(folder.checkpoints / f"{job}.safetensors", Checkpoint(0, 0.0, [figures], state), belongs_to)

    return Store(load, save)


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    argparse.ArgumentParser(prog="python -m tasks.corpus_prior", description=__doc__).parse_args(argv)

    def work() -> None:
        if (count := min(wanted_processes(), len(JOBS))) > 1:
            become("tasks.corpus_prior", count)
        started = time.monotonic()
        with processes():
            facts = run(PriorFolder.default(), load_shared(CorpusPriorParams, "corpus_prior"))
            if quiet():
                return
        seconds = sum(member["seconds"] for member in facts["members"])
        print(
            f"corpus prior {facts['name']!r} from {seconds:.0f} s of {len(facts['members'])} subjects in "
            f"{time.monotonic() - started:.0f} s"
        )

    return exit_status("corpus_prior", work)


if __name__ == "__main__":
    raise SystemExit(main())
