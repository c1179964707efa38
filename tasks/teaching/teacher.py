"""The teacher's lessons: synthetic speech with the mouth that goes with it, as training runs of the ADF."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from models.adf.data import Run
from models.adf.motion import POSE
from models.flame.head import FlameHead
from models.visemes.branch import expression_branch
from models.visemes.coarticulation import blend
from models.visemes.phones import Phone
from models.visemes.shapes import CHANNELS, to_actions
from tasks.artifacts.audio import SAMPLE_RATE
from tasks.speech import encode
from tasks.teaching.espeak import Synthesiser, Utterance, Voice
from tasks.teaching.recording import recorded, throat
from tasks.teaching.sentences import sentences

FPS = 25.0
PAUSES = (0.15, 0.7)  # s of silence between sentences
SPEEDS, SPEED_LIMITS = (0.85, 1.25), (100, 230)  # share of a voice's words a minute; words a minute
PITCHES = (-15.0, 15.0)  # added to a voice's pitch
EMPHASIS = 0.06  # by which share the jaw opens wider for every dB that the voice is louder
BOUNDS = (0.4, 1.6)  # of the factor that emphasis makes


@dataclass
class Lesson:
    """One voice's speech: samples float32 [T] at 16 kHz, phones without gaps over all of it."""

    voice: str
    samples: np.ndarray
    phones: list[Phone]

    @property
    def frames(self) -> int:
        return int(len(self.samples) / SAMPLE_RATE * FPS)


def lesson(synthesiser: Synthesiser, voice: Voice, count: int, seed: int) -> Lesson:
    """``count`` sentences by one voice, with pauses, before faint noise of a level that the seed draws."""
    rng = np.random.default_rng(seed)
    spoken = [synthesiser.say(text, voice) for text in sentences(count, seed)]
    joined = join(spoken, [float(rng.uniform(*PAUSES)) for _ in spoken])
    level = 10 ** (rng.uniform(-65.0, -40.0) / 20)
    noise = (level * rng.standard_normal(len(joined.samples))).astype(np.float32)
    return Lesson(voice.name, float(rng.uniform(0.1, 1.0)) * joined.samples + noise, joined.phones)


def varied_lesson(synthesiser: Synthesiser, voice: Voice, count: int, seed: int) -> Lesson:
    """As ``lesson``, but every sentence at a speed, pitch and throat of its own, and as if recorded somewhere else."""
    rng = np.random.default_rng(seed)
    parts = []
    for text in sentences(count, seed):
        speed = np.clip(voice.speed * rng.uniform(*SPEEDS), *SPEED_LIMITS)
        pitch = np.clip(voice.pitch + rng.uniform(*PITCHES), 0, 99)
        said = throat(synthesiser.say(text, replace(voice, speed=int(speed), pitch=int(pitch))), rng)
        said = join([said], [float(rng.uniform(*PAUSES))])
        parts.append(Utterance(recorded(said.samples, rng), said.phones))
    joined = join(parts, [0.0] * count)
    return Lesson(voice.name, joined.samples, joined.phones)


def join(spoken: list[Utterance], pauses: list[float]) -> Utterance:
    """Utterances one after the other, a pause of silence (in s) after each."""
    parts, phones, start = [], [], 0.0
    for utterance, pause in zip(spoken, pauses, strict=True):
        silence = np.zeros(round(pause * SAMPLE_RATE), np.float32)
        parts += [utterance.samples, silence]
        phones += [Phone(phone.name, start + phone.start, start + phone.stop) for phone in utterance.phones]
        end = start + (len(utterance.samples) + len(silence)) / SAMPLE_RATE
        if len(silence):
            phones.append(Phone("SIL", phones[-1].stop, end))
        start = end
    return Utterance(np.concatenate(parts), phones)


def motion(head: FlameHead, phones: list[Phone], energy: np.ndarray) -> torch.Tensor:
    """Expression branch [N, E + 9] of the phones at 25 frames a second: frame i shows the mouth at i / 25 s.

    energy [N] in dBFS: louder syllables open the jaw wider.
    """
    curves = blend(phones, np.arange(len(energy)) / FPS)
    curves[:, CHANNELS.index("jaw")] *= emphasis(energy)
    return expression_branch(head, to_actions(curves))


def emphasis(energy: np.ndarray) -> np.ndarray:
    """Factor [N] on the jaw: 1 at the voice's usual loudness (the 70th percentile), within BOUNDS."""
    level = gaussian_filter1d(np.asarray(energy, np.float64), 1.5, mode="nearest")
    return np.clip(1 + EMPHASIS * (level - np.percentile(level, 70)), *BOUNDS)


def to_run(head: FlameHead, taught: Lesson, encoder_file: Path | None = None) -> Run:
    """Features and motion of a lesson; the head does not move.  encoder_file: as of ``tasks.speech.encode``."""
    speech = encode(taught.samples, taught.frames, FPS, encoder_file=encoder_file)
    return Run(
        torch.from_numpy(speech.features),
        torch.from_numpy(speech.energy),
        motion(head, taught.phones, speech.energy),
        torch.zeros(taught.frames, POSE),
    )
