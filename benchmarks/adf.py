"""A trained ADF on sound of every kind: robust input, look-ahead, natural extras, sync, cost, ablations; styles.

python -m benchmarks adf --subject FOLDER [--only robust|hour|causal|natural|closures|sync|cost|ablations]
python -m benchmarks adf --subject FOLDER --only style --only sync --others FOLDER...

FOLDER: a subject's folder with audio.wav, flame.parquet, speech.parquet and adf.safetensors.
"""

import argparse
import contextlib
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clips import ANCHOR, real_clips
from benchmarks.machine import describe
from benchmarks.speaking import closures
from benchmarks.speaking.ablations import NAMES, ablate
from benchmarks.speaking.lags import AWAY, best_lags, told_apart
from benchmarks.speaking.sounds import RATE, damaged, not_speech
from benchmarks.speaking.style_pairs import Made, Subject, compare, halves
from models.adf.eyes import blink_onsets
from models.adf.geometry import lip_errors, mouth_opening
from models.flame.head import FlameHead
from tasks.artifacts.audio import read_audio
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.head import read_head
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.speech import SpeechTrack, read_speech
from tasks.errors import BadInput
from tasks.ingest.media import decode_sound
from tasks.motion import to_motion, usable_runs
from tasks.speaker import Delivery, Speaker
from tasks.speech import encode
from tasks.split import train_length

PARTS = ("robust", "hour", "causal", "natural", "closures", "sync", "cost", "ablations", "style")
STYLE_SEEDS = (0, 1, 2)
LOOKAHEADS = (None, 16, 8, 4, 2, 1)


@dataclass
class Case:
    """What the measurements share.  truth: the held-out frames of the track; voice: their sound."""

    folder: SubjectFolder
    speaker: Speaker
    head: FlameHead
    truth: FlameSequence
    voice: np.ndarray

    @classmethod
    def of(cls, folder: SubjectFolder) -> "Case":
        sequence, sound = read_flame(folder.flame), read_audio(folder.audio)
        first = train_length(len(sequence))
        voice = sound[round(first / sequence.fps * RATE) :]
        head = read_head(AssetFolder.default().open_head)
        return cls(folder, Speaker.load(folder.adf), head, sequence.slice(first, len(sequence)), voice)

    def opening(self, motion: FlameSequence) -> np.ndarray:
        """Mouth opening [N] in mm."""
        return mouth_opening(self.head, torch.tensor(motion.shape), to_motion(motion).expression).numpy()

    def against_truth(self, motion: FlameSequence) -> tuple[float, float, float]:
        """Correlation of the opening, lip error in mm, spread of the opening over the true one."""
        count = min(len(motion), len(self.truth))
        rows = np.flatnonzero(self.truth.usable[:count])
        made, real = self.opening(motion)[rows], self.opening(self.truth)[rows]
        shape = torch.tensor(self.truth.shape)
        branches = (to_motion(s, rows).expression for s in (motion, self.truth))
        error, _ = lip_errors(self.head, shape, *branches)
        return float(np.corrcoef(made, real)[0, 1]), error, float(made.std() / real.std())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subject", type=Path, help="folder of a finished subject")
    parser.add_argument("--others", type=Path, nargs="*", default=[], help="folders of further subjects: style, sync")
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the ablations")
    arguments = parser.parse_args(argv)
    if arguments.subject is None:
        print("adf: skipped: give --subject FOLDER, the folder of a finished subject", file=sys.stderr)
        return 0
    torch.set_num_threads(1)
    folder, *others = (SubjectFolder(path.resolve()) for path in (arguments.subject, *arguments.others))
    print(f"{describe()}\n")
    for part in arguments.only or PARTS:
        if part == "ablations":
            rows = ablations(folder, arguments.seeds)
        elif part == "style":
            rows = style(folder, others)
        elif part == "sync":
            rows = sync(Case.of(folder), others)
        else:
            rows = TABLES[part](Case.of(folder))
        for row in rows:
            print(row, flush=True)
        print()
    return 0


def robust(case: Case) -> Iterator[str]:
    """Bad sound, no speech, very little of it."""
    yield "| sound | frames | opening correlation | mean opening, mm | spread, mm | head, ° | what happens |"
    yield "|---|---|---|---|---|---|---|"
    for name, sound in damaged(case.voice).items():
        motion = case.speaker.speak(encode(sound))
        yield _row(case, name, motion, f"{case.against_truth(motion)[0]:.2f}")
    for name, sound in not_speech().items():
        yield _row(case, name, case.speaker.speak(encode(sound)), "")
    for seconds in (0.2, 0.01):
        yield _row(case, f"{seconds:g} s", case.speaker.speak(encode(case.voice[: round(seconds * RATE)])), "")
    for name, sound in (("no samples", case.voice[:0]), ("not a number", np.full(RATE, np.nan, np.float32))):
        try:
            encode(sound)
            yield f"| {name} | | | | | | went through |"
        except BadInput as error:
            yield f"| {name} | 0 | | | | | refused: {error} |"


def hour(case: Case) -> Iterator[str]:
    """Cost of an hour of sound, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hour, args=(case.folder.root, theirs))
    process.start()
    frames, seconds, peak = ours.recv()
    process.join()
    yield f"- an hour of sound: {frames} frames, {seconds:.0f} s of processor, {peak:.0f} MB at most"


def _row(case: Case, name: str, motion: FlameSequence, correlation: str) -> str:
    opening = case.opening(motion)
    turn = np.rad2deg(np.ptp(motion.global_rotation + motion.neck_rotation, axis=0).max())
    finite = "finite" if np.isfinite(to_motion(motion).expression).all() else "NOT FINITE"
    values = f"{opening.mean():.1f} | {opening.std():.1f} | {turn:.0f}"
    return f"| {name} | {len(motion)} | {correlation} | {values} | {finite} |"


def _hour(root: Path, answer: Any) -> None:
    torch.set_num_threads(1)
    sound = read_audio(SubjectFolder(root).audio)
    hour = np.tile(sound, -(-3600 * RATE // len(sound)))[: 3600 * RATE]
    started = time.process_time()
    motion = Speaker.load(SubjectFolder(root).adf).speak(encode(hour))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    answer.send((len(motion), time.process_time() - started, peak))


def causal(case: Case) -> Iterator[str]:
    """What hearing less of the future costs.  Latency: look-ahead and the rest of a piece of four frames."""
    yield "| look-ahead, frames | latency, s | opening correlation | lip error, mm | dynamics | frames/s (processor) |"
    yield "|---|---|---|---|---|---|"
    for lookahead in LOOKAHEADS:
        started = time.process_time()
        track = encode(case.voice, lookahead=lookahead)
        motion = case.speaker.speak(track, delivery=Delivery(lookahead=lookahead))
        speed = len(motion) / (time.process_time() - started)
        figures = " | ".join(f"{value:.2f}" for value in case.against_truth(motion))
        name, latency = (
            ("all of it", "whole sound") if lookahead is None else (str(lookahead), f"{(lookahead + 4) / 25:.2f}")
        )
        yield f"| {name} | {latency} | {figures} | {speed:.0f} |"


def natural(case: Case) -> Iterator[str]:
    """What nobody hears but everybody sees, over ten minutes with a minute of silence in every two."""
    speech = case.voice
    pattern = np.tile(np.concatenate([np.tile(speech, 10)[: 60 * RATE], np.zeros(60 * RATE, np.float32)]), 5)
    track = encode(pattern)
    motion = case.speaker.speak(track)
    minutes = len(motion) / motion.fps / 60
    habits = case.speaker.trained.habits
    if habits.channels:
        rest, shut = habits.open[0], habits.shut[0]
        lids = (torch.from_numpy(motion.expression[:, habits.channels[0]]) - rest) / (shut - rest)
        rate = len(blink_onsets(lids)) / minutes
        yield f"- blinks: {rate:.1f} a minute (the subject's habit: {habits.rate:.1f}; people: 8 to 30)"
    gaze = np.rad2deg(motion.eyes_rotation[:, :2])
    still = float((np.abs(np.diff(gaze, axis=0)).max(1) < 0.05).mean())
    yield f"- gaze: {gaze.std(0).max():.2f}° standard deviation, at rest in {100 * still:.0f} % of the frames"
    opening, silent = case.opening(motion), track.energy < -90
    silent &= np.convolve(silent, np.ones(13), "same") == 13  # a quarter of a second into the silence
    closed = case.opening(motion).min()
    shares = [100 * float((opening[rows] < closed + 1.0).mean()) for rows in (silent, ~silent)]
    yield f"- mouth: {opening[silent].mean():.1f} mm in silence, {opening[~silent].mean():.1f} mm in speech; "
    yield f"  within 1 mm of its narrowest in {shares[0]:.0f} % of silent frames and {shares[1]:.0f} % of the others"
    turn = np.rad2deg(motion.global_rotation + motion.neck_rotation)
    minute = round(60 * motion.fps)
    means = np.stack([turn[k : k + minute].mean(0) for k in range(0, len(turn) - minute + 1, minute)])
    slope = np.polyfit(np.arange(len(means)), means, 1)[0]
    yield (
        f"- head: minutes' mean direction {np.ptp(means, axis=0).max():.1f}° apart at most, trend "
        f"{np.abs(slope).max():.2f}° a minute, standard deviation {turn.std(0).max():.1f}°"
    )


@torch.no_grad()
def closed_lips(case: Case) -> Iterator[str]:
    """m, b and p in the training part, each block of it unseen by the closed form that speaks it."""
    if not closures.available():
        yield f"- closures: skipped: needs {closures.RECOGNISER}, which is no part of this project: pip install it"
        return
    folder = case.folder
    sequence, speech = read_flame(folder.flame), read_speech(folder.speech)
    found = closures.closures(case.head, case.speaker.trained, sequence, speech, read_audio(folder.audio))
    yield "| m, b, p | closed as tracked | as made | made of the tracked | tracked at random places |"
    yield "|---|---|---|---|---|"
    shares = (found.tracked, found.made, found.shared, found.random)
    yield f"| {found.labials} | {' | '.join(f'{100 * share:.0f} %' for share in shares)} |"


def sync(case: Case, others: list[SubjectFolder]) -> Iterator[str]:
    """Does the speech-motion embedding tell the held-out motion's own sound from other sound, in windows of 2 s?

    Offsets: positive where the motion is late; median: of all windows, and the share of windows within a frame of it.
    others: further subjects, of which the embedding has seen nothing; their whole clips are judged.
    """
    network = case.speaker.trained.network

    def embedded(motion: FlameSequence, track: SpeechTrack) -> tuple[torch.Tensor, torch.Tensor]:
        branch = network.expression_basis(to_motion(motion).expression)[None]
        return network.embedding.embed_motion(branch)[0], embed(track)

    def embed(track: SpeechTrack) -> torch.Tensor:
        features = torch.from_numpy(track.features)
        energy = network.level(torch.from_numpy(track.energy), network.voice(features))
        return network.embedding.embed_speech(network.front(features, energy)[None])[0]

    own = {"held-out motion": embedded(case.truth, encode(case.voice, len(case.truth)))}
    for folder in others:
        sequence = read_flame(folder.flame)
        own[f"{folder.id}, all of it"] = embedded(sequence, encode(read_audio(folder.audio), len(sequence)))
    yield "| its own sound | told from 8 or more frames off, % | windows | offset within ±1, % | median | of it, % |"
    yield "|---|---|---|---|---|---|"
    for name, (motion, sound) in own.items():
        lags, apart = np.array(best_lags(motion, sound)), told_apart(motion, sound, sound, AWAY)
        middle = np.median(lags)
        near = [100 * float((np.abs(lags - place) <= 1).mean()) for place in (0, middle)]
        yield f"| {name} | {100 * np.mean(apart):.0f} | {len(lags)} | {near[0]:.0f} | {middle:+.0f} | {near[1]:.0f} |"
    yield ""
    yield "| other sound | told from the held-out motion's own, % of windows and places |"
    yield "|---|---|"
    motion, sound = own["held-out motion"]
    for clip in real_clips():
        if clip.name != ANCHOR:
            with contextlib.suppress(BadInput):
                foreign = embed(encode(decode_sound(clip)))
                yield f"| {clip.stem} | {100 * np.mean(told_apart(motion, sound, foreign)):.0f} |"


def cost(case: Case) -> Iterator[str]:
    """Generation in processor seconds, loading left out."""
    sound = np.tile(case.voice, 1 + 60 * RATE // len(case.voice))[: 60 * RATE]
    encode(sound[:RATE])
    wall, started = time.monotonic(), time.process_time()
    track = encode(sound)
    heard = time.process_time()
    case.speaker.speak(track)
    ended, wall = time.process_time(), time.monotonic() - wall
    yield f"- a minute of sound: features {heard - started:.2f} s, motion {ended - heard:.2f} s of one processor"
    yield f"- {60 / (ended - started):.0f} times real time by processor seconds, {60 / wall:.0f} by the clock"


def ablations(folder: SubjectFolder, seeds: list[int]) -> Iterator[str]:
    """The same split and steps with parts left out; figures of the held-out part, one for each seed.  Head: spread and
    speed of the head's rotation over the true ones."""
    yield "| | opening correlation | lip error, mm | opening difference, mm | dynamics | head's spread | head's speed |"
    yield "|---|---|---|---|---|---|---|"
    keys = ("opening_correlation", "lip_error_mm", "opening_difference_mm", "dynamics", "head_spread", "head_speed")
    for name in NAMES:
        rows = [ablate(folder, name, seed) for seed in seeds]
        for label in rows[0]:
            cells = ([row[label][key] for row in rows] for key in keys)
            yield f"| {label} | {' | '.join(', '.join(map(_two_digits, values)) for values in cells)} |"


def style(folder: SubjectFolder, others: list[SubjectFolder]) -> Iterator[str]:
    """Does motion in the manner of A resemble A more than B?  Every subject speaks in the manner of every other."""
    if not others:
        yield "style: skipped: give --others FOLDER..., the folders of further subjects"
        return
    sounds = [encode(Case.of(folder).voice), encode(read_audio(AssetFolder.default().root / "speech_sample.wav"))]
    sequences = {each.id: _longest(read_flame(each.flame)) for each in (folder, *others)}
    subjects = [Subject(name, *halves(to_motion(sequence))) for name, sequence in sequences.items()]
    made = []
    for each in (folder, *others):
        speaker = Speaker.load(each.adf)
        for name, sequence in sequences.items():
            shown = sequence.slice(0, len(sequence) // 2)
            made += [
                Made(each.id, name, to_motion(speaker.speak(sound, shown, seed)))
                for sound in sounds
                for seed in STYLE_SEEDS
            ]
    yield from compare(read_head(AssetFolder.default().open_head), subjects, made)


def _longest(sequence: FlameSequence) -> FlameSequence:
    longest = max(usable_runs(sequence.usable), key=lambda run: run.stop - run.start)
    return sequence.slice(longest.start, longest.stop)


def _two_digits(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "-"


TABLES = {"robust": robust, "hour": hour, "causal": causal, "natural": natural, "closures": closed_lips, "cost": cost}

if __name__ == "__main__":
    raise SystemExit(main())
