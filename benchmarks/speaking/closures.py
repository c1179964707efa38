"""Do lips close on m, b and p as the filmed person's do?  Phones are pocketsphinx's, aligned to the words that it heard
itself in the stretches between pauses: some are wrong, for the tracked mouth as for the made one."""

import importlib
import importlib.util
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from models.adf.geometry import mouth_opening
from models.adf.silence import resting_frames
from models.adf.skip import KernelSkip
from models.flame.head import FlameHead
from models.speech.voice_activity import VOICE
from tasks.artifacts.adf import TrainedAdf
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.speech import SpeechTrack
from tasks.motion import spoken_rows, to_motion
from tasks.split import train_length

RATE = 16_000
RECOGNISER = "pocketsphinx==5.1.1"
LABIALS = frozenset("MBP")
SLACK = 2  # frames before and after the phone in which it may be closed
CLOSED = 0.5  # mm over the subject's resting mouth
BLOCKS, MARGIN = 10, 24  # of the training part; frames left out on either side of one
PAUSE = 5  # frames
EDGE = np.zeros(RATE // 5, np.int16)  # silence that the recogniser wants about a stretch


@dataclass(frozen=True)
class Closures:
    """Labials found; share closed in the tracked motion, in the made one, and in the made one of those that are closed
    in the tracked; share of random stretches of the same length that are closed in the tracked motion."""

    labials: int
    tracked: float
    made: float
    shared: float
    random: float


def available() -> bool:
    """Is pocketsphinx (no dependency of this project) installed?"""
    return importlib.util.find_spec("pocketsphinx") is not None


def unseen(trained: TrainedAdf, sequence: FlameSequence, speech: SpeechTrack) -> torch.Tensor:
    """The closed form's expression branch [N, E + 9] for the training part, every block predicted by one that was
    fitted to the others; NaN in frames that cannot be used."""
    network, rows = trained.network, spoken_rows(sequence, speech)
    last = train_length(len(sequence))
    features, energy = torch.tensor(speech.features), torch.tensor(speech.energy)
    windows = network.skip.windows(network.front(features, energy))
    still = network.silence.stillness(energy, network.voice(features))[:, None]
    branch = to_motion(sequence).expression
    motion = network.expression_basis(branch)
    good = np.flatnonzero((rows[:last] >= 0) & sequence.usable[:last])
    made = torch.full((last, branch.shape[1]), torch.nan)
    fit = KernelSkip.like(network.skip)
    for block in np.array_split(good, BLOCKS):
        others = good[(good < block[0] - MARGIN) | (good > block[-1] + MARGIN)]
        fit.fit(windows[rows[others]], motion[others])
        expression = fit(windows[rows[block]]) @ network.gain
        made[block] = network.to_flame(expression + still[rows[block]] * (network.rest - expression))
    return made


def closures(
    head: FlameHead, trained: TrainedAdf, sequence: FlameSequence, speech: SpeechTrack, sound: np.ndarray
) -> Closures:
    """Of the training part, unseen (``unseen``).  sound: the subject's, float32 at 16 kHz.  Needs pocketsphinx."""
    branch = unseen(trained, sequence, speech)
    shape = torch.tensor(sequence.shape)
    made = mouth_opening(head, shape, branch)
    real = mouth_opening(head, shape, to_motion(sequence).expression[: len(made)])
    energy, voice = torch.tensor(speech.energy), trained.network.voice(torch.tensor(speech.features))
    if voice is None:
        raise ValueError("the speech track does not say where somebody speaks: run speech and adf again")
    rest = float(real[resting_frames(energy[: len(made)], voice[: len(made)], real)].mean())
    heard = phones(sound, voice.numpy(), sequence.fps)
    labials = [(start, stop) for name, start, stop in heard if name in LABIALS]
    return compare(real.numpy(), made.numpy(), labials, rest + CLOSED, sequence.fps)


def compare(
    real: np.ndarray, made: np.ndarray, labials: list[tuple[float, float]], limit: float, fps: float
) -> Closures:
    """Tracked and made opening [N] in mm at phones (start, end in seconds), closed at ``limit`` or less; phones at
    frames that were not made (NaN) do not count."""
    rng = np.random.default_rng(0)
    random = [(start, start + 0.07) for start in rng.uniform(0, len(made) / fps, 500)]

    def closed(opening: np.ndarray, at: list[tuple[float, float]]) -> np.ndarray:
        spans = [(int(a * fps) - SLACK, int(np.ceil(b * fps)) + SLACK) for a, b in at]
        inside = [(a, b) for a, b in spans if a >= 0 and b <= len(made) and np.isfinite(made[a:b]).all()]
        return np.array([opening[a:b].min() <= limit for a, b in inside], bool)

    truth, ours = closed(real, labials), closed(made, labials)
    shared = float(ours[truth].mean()) if truth.any() else float("nan")
    return Closures(len(truth), float(truth.mean()), float(ours.mean()), shared, float(closed(real, random).mean()))


def phones(sound: np.ndarray, voice: np.ndarray, fps: float) -> list[tuple[str, float, float]]:
    """(name, start, end in seconds) of what is heard in ``sound`` [T], cut in the middle of the pauses that ``voice``
    [N] (probability by frame) shows.  Stretches in which no words are found are left out."""
    silent = np.concatenate([[0], (voice < VOICE).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(silent))
    middles = [(a + b) // 2 for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= PAUSE]
    cuts = [0, *middles, len(voice)]
    found = []
    for first, last in pairwise(cuts):
        piece = sound[round(first / fps * RATE) : round(last / fps * RATE)]
        samples = np.concatenate([EDGE, (np.clip(piece, -1, 1) * 32767).astype(np.int16), EDGE]).tobytes()
        before = first / fps - len(EDGE) / RATE
        found += [(name, before + start, before + stop) for name, start, stop in _align(samples)]
    return found


def _align(samples: bytes) -> list[tuple[str, float, float]]:
    decoder = importlib.import_module("pocketsphinx").Decoder
    words: Any = _heard(decoder(samprate=RATE, loglevel="FATAL"), samples).hyp()
    if words is None or not words.hypstr:
        return []
    aligner = decoder(samprate=RATE, loglevel="FATAL", lm=None)
    aligner.set_align_text(words.hypstr)
    try:
        _heard(aligner, samples).set_alignment()
        alignment = _heard(aligner, samples).get_alignment()
    except RuntimeError:  # "failed to align": the words that were heard cannot be found again
        return []
    return [(p.name, p.start / 100, (p.start + p.duration) / 100) for word in alignment for p in word]


def _heard(decoder: Any, samples: bytes) -> Any:
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()
    return decoder
