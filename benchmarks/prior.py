"""The embedded prior: its mouth for voices that it never heard, and what it saves a person in minutes of video.

python -m benchmarks prior --recordings FOLDER --subject ID --seconds 10 20 60

Without --recordings or --subject the other tables are left out.  Where a corpus prior is there (erlnet prior), it is
compared too.  The folder holds recordings NAME.wav with NAME.phones beside each: lines of phone (ARPABET), start and
stop in seconds, as an aligner gives them.  The subject must be tracked and its speech encoded; its held-out last 1/11
is the test, its head motion is not trained here.
"""

import argparse
import dataclasses
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import describe
from models.adf.corpus_prior import start_from
from models.adf.data import Run
from models.adf.geometry import expression_metric, lip_errors, mouth_opening
from models.adf.motion import EYES, JAW
from models.adf.network import Adf, Motion, with_prior
from models.adf.prior import MouthPrior
from models.adf.training import train
from models.flame.head import FlameHead
from models.visemes.articulation import articulation
from models.visemes.phones import Phone
from tasks.adf import AdfParams, build, training_plan, training_runs
from tasks.artifacts.audio import read_audio
from tasks.artifacts.corpus_prior import read_corpus_prior
from tasks.artifacts.flame import read_flame
from tasks.artifacts.head import read_head
from tasks.artifacts.layout import AssetFolder, PriorFolder, SubjectFolder
from tasks.artifacts.prior import read_prior
from tasks.artifacts.speech import read_speech
from tasks.params import load_params
from tasks.speech import encode
from tasks.split import train_length

Begin = Callable[[Adf], Adf]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, help="folder of recordings with their phones")
    parser.add_argument("--subject", help="id of a tracked subject")
    parser.add_argument("--seconds", type=float, nargs="*", default=[10.0, 20.0, 60.0], help="of training video")
    parser.add_argument("--starts", type=int, default=2, help="pieces of the training part averaged over")
    parser.add_argument("--profile", default="demo")
    arguments = parser.parse_args(argv)
    path = AssetFolder.default().adf_prior
    if not path.is_file():
        print("prior: skipped: the prior is not built (python -m tasks.prior)", file=sys.stderr)
        return 0
    prior, facts = read_prior(path)
    print(f"{describe()}; {facts['teacher']}, {facts['seconds']} s in {len(facts['voices'])} voices\n")
    print("| unheard voice | m, b, p closed | open vowels open | shut for nothing | correlation with the teacher |")
    print("|---" * 5 + "|")
    for name, figures in facts["unheard"].items():
        print(
            f"| {name} | {100 * figures['closed']:.0f} % of {figures['closures']} | "
            f"{100 * figures['opened']:.0f} % of {figures['vowels']} | {100 * figures['shut']:.1f} % | "
            f"{figures['opening_correlation']:.2f} |"
        )
    if arguments.recordings:
        _recordings(arguments.recordings, prior)
    if arguments.subject:
        _data_efficiency(arguments, prior)
    return 0


def _recordings(folder: Path, prior: MouthPrior) -> None:
    head = read_head(AssetFolder.default().open_head)
    neutral = torch.zeros(head.shape_size)
    rest = float(mouth_opening(head, neutral, torch.zeros(1, prior.config.channels)))
    print("\n| recording | m, b, p closed | open vowels open | shut for nothing |\n|---|---|---|---|")
    for path in sorted(folder.glob("*.wav")):
        heard = encode(read_audio(path))
        phones = []
        for line in path.with_suffix(".phones").read_text().splitlines():
            name, start, stop = line.split()
            phones.append(Phone(name, float(start), float(stop)))
        branch = prior(torch.from_numpy(heard.features), torch.from_numpy(heard.energy))
        made = articulation(phones, mouth_opening(head, neutral, branch).numpy(), rest, heard.fps)
        print(
            f"| {path.stem} | {100 * made.closed:.0f} % of {made.closures} | "
            f"{100 * made.opened:.0f} % of {made.vowels} | {100 * made.shut:.1f} % |",
            flush=True,
        )


def _data_efficiency(arguments: argparse.Namespace, prior: MouthPrior) -> None:
    folder, head = SubjectFolder.of(arguments.subject), read_head(AssetFolder.default().open_head)
    sequence, speech = read_flame(folder.flame), read_speech(folder.speech)
    last = train_length(len(sequence))
    test = training_runs(sequence, speech, last, len(sequence))
    params = dataclasses.replace(load_params(AdfParams, arguments.profile, "adf"), pose_steps=1)
    shape = torch.tensor(sequence.shape)
    everything = training_runs(sequence, speech, 0, last)
    metric = expression_metric(head, shape, torch.cat([run.expression for run in everything]).mean(0))
    begins: dict[str, Begin] = {
        "scratch": lambda network: network,
        "embedded": lambda network: with_prior(network, prior),
    }
    if PriorFolder.default().weights.is_file():
        corpus, facts = read_corpus_prior(PriorFolder.default().weights)
        mine = [member["id"] for member in facts["members"]]
        if arguments.subject in mine:
            raise SystemExit(f"prior: {arguments.subject} is one of the corpus prior's own subjects")
        begins["corpus"] = lambda network: start_from(network, corpus)
        begins["corpus, mouth alone"] = lambda network: with_prior(network, corpus.mouth)
        print(f"\ncorpus prior of {', '.join(mine)}: {sum(m['seconds'] for m in facts['members']):.0f} s")
    print("\n| training video | start | opening correlation | lip error | dynamics | CPU time |\n" + "|---" * 6 + "|")
    alone = _figures(head, shape, [prior(run.features, run.energy) for run in test], test)
    print(f"| none | prior alone | {_cells(np.array(alone))} | 0 s |", flush=True)
    for seconds in arguments.seconds:
        length = min(round(seconds * sequence.fps), last)
        room = 1 + (last - length) // length
        starts = [round(x) for x in np.linspace(0, last - length, min(arguments.starts, room))]
        for name, begin in begins.items():
            rows, began = [], resource.getrusage(resource.RUSAGE_SELF).ru_utime
            for start in starts:
                runs = training_runs(sequence, speech, start, start + length)
                made = _trained(params, runs, speech.groups, metric, begin, test)
                rows.append(_figures(head, shape, made, test))
            cpu = (resource.getrusage(resource.RUSAGE_SELF).ru_utime - began) / len(starts)
            print(f"| {length / sequence.fps:.0f} s | {name} | {_cells(np.mean(rows, 0))} | {cpu:.0f} s |", flush=True)


def _trained(
    params: AdfParams,
    runs: list[Run],
    groups: tuple[tuple[str, int], ...],
    metric: torch.Tensor,
    begin: Begin,
    test: list[Run],
) -> list[torch.Tensor]:
    """Expression branches that an ADF, trained on ``runs``, generates for the test runs."""
    torch.set_num_threads(1)
    network = begin(build(params, runs[0].expression.shape[1] - EYES - JAW, groups, sum(len(run) for run in runs)))
    train(network, runs, metric, training_plan(params), params.seed)
    longest = max(runs, key=len)
    style = Motion(longest.expression, longest.pose)
    return [
        network.generate(run.features, run.energy, style, 1.0, torch.Generator().manual_seed(0)).expression
        for run in test
    ]


def _figures(head: FlameHead, shape: torch.Tensor, made: list[torch.Tensor], test: list[Run]) -> list[float]:
    """Opening correlation, lip error in mm, spread of the opening over the true one."""
    said, real = torch.cat(made), torch.cat([run.expression for run in test])
    guess, fact = mouth_opening(head, shape, said), mouth_opening(head, shape, real)
    correlation = float(torch.corrcoef(torch.stack([guess, fact]))[0, 1])
    return [correlation, lip_errors(head, shape, said, real)[0], float(guess.std() / fact.std())]


def _cells(figures: np.ndarray) -> str:
    return f"{figures[0]:.2f} | {figures[1]:.2f} mm | {figures[2]:.2f}"
