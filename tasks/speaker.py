"""Speech in, FLAME motion of one subject out: what ``animate`` and ``evaluate`` drive the portrait with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.adf.causal import LEAST, generate_causally
from models.adf.contrastive import agreement_by_lag
from models.adf.eyes import apply_habits, sample_closure, sample_gaze
from models.adf.manner import Manner, between, strengthened
from models.adf.network import Motion
from tasks.artifacts.adf import TrainedAdf, read_adf
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.speech import SpeechTrack
from tasks.errors import BadInput
from tasks.motion import from_motion, to_motion, usable_runs

STYLE_FRAMES = 1500  # a minute of a style video says enough


@dataclass(frozen=True)
class Delivery:
    """How a style is spoken in.

    second: a style to go towards (None: the subject's own), as far as ``blend``: 0 not at all, 1 all the way.  strength
    of the style: 0 leaves the subject's own manner, 1 is the style as it is, 2 exaggerates it.  emphasis: how much
    livelier loud stretches are than quiet ones, 0 (only as much as was learned) to 1.  lookahead: frames of the future
    that a frame may depend on, 1 or more, besides the rest of its piece of 4 (models/adf/causal.py); None: all.
    """

    second: FlameSequence | None = None
    blend: float = 0.0
    strength: float = 1.0
    emphasis: float = 0.0
    lookahead: int | None = None

    def check(self) -> None:
        """Raises BadInput, naming the option that is out of range."""
        for name, value, most in (
            ("blend", self.blend, 1.0),
            ("strength", self.strength, 2.0),
            ("emphasis", self.emphasis, 1.0),
        ):
            if not 0.0 <= value <= most:
                raise BadInput(f"--{name} {value}: give a number from 0 to {most:g}")
        if self.lookahead is not None and self.lookahead < LEAST:
            raise BadInput(f"--lookahead {self.lookahead}: give {LEAST} frame or more")


class Speaker:
    """A trained ADF of one subject."""

    def __init__(self, trained: TrainedAdf):
        self.trained = trained

    @property
    def encoder(self) -> str:
        """Kind and hash of the speech encoder whose features it hears."""
        return self.trained.encoder

    @classmethod
    def load(cls, path: Path) -> "Speaker":
        """Read ``adf.safetensors``.  Raises MissingInput or DamagedArtifact."""
        return cls(read_adf(path))

    def speak(
        self,
        speech: SpeechTrack,
        style: FlameSequence | None = None,
        seed: int = 0,
        temperature: float = 1.0,
        delivery: Delivery | None = None,
    ) -> FlameSequence:
        """Motion for every row of ``speech`` (one row or hours), ready for ``Portrait.render``.

        style: a FLAME sequence in whose manner to move; None: the subject's own.  seed: head motion, blinks and
        glances; the same seed gives the same sequence.  temperature: 0 takes the likeliest head motion, 1 samples it.
        delivery: a second style, strength and emphasis.
        The result carries the subject's shape, focal length, image size and head model, and the frame ids of
        ``speech``.  Raises BadInput where speech or style do not fit the network.
        """
        trained = self.trained
        delivery = delivery or Delivery()
        self._check(speech, temperature)
        delivery.check()
        generator = torch.Generator().manual_seed(seed)
        features = torch.from_numpy(speech.features.astype(np.float32))
        energy = torch.from_numpy(speech.energy.astype(np.float32))
        manner = self._manner(style, delivery)
        if delivery.lookahead is None:
            motion = trained.network.generate(features, energy, manner, temperature, generator, delivery.emphasis)
        else:
            motion = generate_causally(
                trained.network, features, energy, manner, temperature, generator, delivery.lookahead, delivery.emphasis
            )
        expression = motion.expression.clone()
        closure = sample_closure(len(speech), speech.fps, trained.habits.rate, generator)
        expression[:, :-9] = apply_habits(expression[:, :-9], trained.habits, closure)
        expression[:, -6:] = sample_gaze(len(speech), speech.fps, trained.habits, generator)
        return from_motion(
            Motion(expression, motion.pose),
            speech.frame,
            trained.shape,
            trained.focal,
            trained.image_size,
            speech.fps,
            trained.head,
            trained.parts
            | {
                "speech encoder": speech.encoder,
                "motion": "ADF of this subject" + (", from a prior" if "prior" in trained.parts else " alone"),
                "blinks": "sampled at human rate" if trained.habits.channels else "none: head names no lid action",
                "gaze": "sampled about the resting gaze",
            },
        )

    @torch.no_grad()
    def offset(self, speech: SpeechTrack, sequence: FlameSequence, reach: int = 15) -> tuple[int, float] | None:
        """By how many frames the motion follows the sound, and how sure that is; positive: the motion is late.

        Our own measure: lag within +-reach at which this ADF's speech-motion embedding (trained on the training part
        of the clip alone) agrees best, and that agreement less the median over all lags, as SyncNet's confidence is
        taken (Chung & Zisserman, "Out of time", 2016).  speech and sequence: the same frames, row by row.  None where
        they are too short or a row is not usable.
        """
        if len(speech) != len(sequence):
            raise ValueError(f"{len(speech)} rows of speech, {len(sequence)} of motion")
        if len(speech) < 3 * reach or not sequence.usable.all():
            return None
        network = self.trained.network
        heard = network.front(torch.tensor(speech.features), torch.tensor(speech.energy))
        sound = network.embedding.embed_speech(heard[None])[0]
        moved = network.embedding.embed_motion(network.expression_basis(to_motion(sequence).expression)[None])[0]
        scores = agreement_by_lag(sound, moved, reach)
        return int(scores.argmax()) - reach, float(scores.max() - scores.median())

    def _check(self, speech: SpeechTrack, temperature: float) -> None:
        trained = self.trained
        if speech.encoder != trained.encoder:
            raise BadInput(
                f"speech features come from {speech.encoder!r} but this ADF was trained on {trained.encoder!r}: "
                "encode the audio again, or train the adf stage again"
            )
        if not len(speech):
            raise BadInput("the speech track has no frame: give audio of at least one frame (0.04 s)")
        wanted = tuple((group.name, group.channels) for group in trained.network.config.speech)
        if speech.groups != wanted or speech.features.shape[1] != trained.network.config.speech_channels:
            raise BadInput(
                f"speech features have {speech.features.shape[1]} channels ({_listed(speech.groups)}), this ADF wants "
                f"{trained.network.config.speech_channels} ({_listed(wanted)}): encode the audio again"
            )
        if abs(speech.fps - trained.fps) > 1e-3:
            raise BadInput(f"speech features have {speech.fps} rows a second, this ADF wants {trained.fps}")
        if not (np.isfinite(speech.features).all() and np.isfinite(speech.energy).all()):
            raise BadInput("speech features are not finite: the audio or its encoding is damaged; encode it again")
        if not (temperature >= 0 and np.isfinite(temperature)):
            raise BadInput(f"temperature {temperature} must be 0 or more")

    @torch.no_grad()
    def _manner(self, style: FlameSequence | None, delivery: Delivery) -> Manner:
        network = self.trained.network
        own = network.own_manner(self.trained.style)
        manner = own if style is None else network.manner(self._style(style))
        if delivery.blend > 0:
            second = own if delivery.second is None else network.manner(self._style(delivery.second))
            manner = between(manner, second, delivery.blend)
        return strengthened(own, manner, delivery.strength)

    def _style(self, style: FlameSequence) -> Motion:
        trained = self.trained
        if style.expression.shape[1] + 9 != trained.network.config.expression.channels:
            raise BadInput(
                f"the style sequence has {style.expression.shape[1]} expression coefficients, this ADF wants "
                f"{trained.network.config.expression.channels - 9}: track the style video with the same head model"
            )
        runs = usable_runs(style.usable)
        if not runs:
            raise BadInput("the style sequence has no usable frame: choose a style video in which a face is tracked")
        longest = max(runs, key=lambda run: run.stop - run.start)
        return to_motion(style, slice(longest.start, min(longest.stop, longest.start + STYLE_FRAMES)))


def _listed(groups: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{name} {width}" for name, width in groups)
