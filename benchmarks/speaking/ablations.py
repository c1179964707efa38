"""ADFs with a part left out, trained and judged like the whole one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.speaking import one_space
from models.adf.config import AdfConfig
from models.adf.expression import ExpressionOutput, SpeechToExpression
from models.adf.network import Adf, Motion
from models.adf.style import StyleEncoder
from models.adf.vqvae import MotionVqVae
from tasks import adf
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.head import read_head
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.speech import SpeechTrack, read_speech
from tasks.motion import spoken_rows, to_motion
from tasks.params import load_params
from tasks.scoring.motion import head_motion, motion_figures
from tasks.speaker import Speaker
from tasks.split import train_length


class DirectExpression(SpeechToExpression):
    """No latent space: the same transformer adds what it has to say straight to the skip path's motion."""

    def __init__(self, config: AdfConfig, speech: int):
        super().__init__(config, speech)
        self.enter = nn.Linear(config.expression.components, config.width)
        self.leave = nn.Linear(config.width, self.stride * config.expression.components)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def calibrate(self, latent: Tensor, space: MotionVqVae) -> None:
        pass

    def forward(self, speech: Tensor, skip: Tensor, style: Tensor, space: MotionVqVae) -> ExpressionOutput:
        frames, missing = speech.shape[1], -speech.shape[1] % self.stride
        x = F.gelu(self.hear(self.noise(speech).transpose(1, 2)) + self.enter(skip).transpose(1, 2))
        x = self.down(F.pad(x, (0, missing), mode="replicate") if missing else x).transpose(1, 2)
        step = self.leave(self.stack(x, style)).unflatten(-1, (self.stride, -1)).flatten(1, 2)[:, :frames]
        branch = space.config
        uniform = torch.zeros(*x.shape[:2], branch.levels, branch.codes)
        return ExpressionOutput(uniform, skip + step)


class NoStyle(StyleEncoder):
    """Says nothing of anybody's style."""

    def forward(self, motion: Tensor) -> Tensor:
        return 0.0 * super().forward(motion)


def _direct(network: Adf) -> None:
    members = [DirectExpression(network.config, network.front.channels) for _ in network.to_expression.members]
    network.to_expression.members = nn.ModuleList(members)


def _no_style(network: Adf) -> None:
    config = network.config
    components = config.expression.components + config.pose.components
    network.style = NoStyle(components, config.style_channels, config.width, config.heads, config.dropout)


def _whole(network: Adf) -> None:
    pass


# name -> (what is changed in the untrained network, parameters that differ)
ABLATIONS: dict[str, tuple[Callable[[Adf], None], dict[str, Any]]] = {
    "ADF": (_whole, {}),
    "without contrastive loss": (_whole, {"contrastive_weight": 0.0}),
    "without VQ-VAE (direct regression)": (_direct, {}),
    "without style": (_no_style, {}),
    "from the embedded prior": (_whole, {"prior": "embedded"}),
}
ONE_SPACE = "one VQ-VAE for face and head"
NAMES = (*ABLATIONS, ONE_SPACE)
SEEDS = 8  # of the sampled head motion, averaged over

Speak = Callable[[int], Motion]  # motion of the held-out rows for a seed


def ablate(folder: SubjectFolder, name: str, seed: int, profile: str = "cpu") -> dict[str, dict[str, Any]]:
    """Held-out figures by label: the ablated ADF; for the whole one its two paths and the baselines as well.

    head_spread and head_speed are means over SEEDS seeds of the head motion.  Where no ablation says otherwise, no
    prior is started from.
    """
    params = replace(load_params(adf.AdfParams, profile, "adf"), seed=seed, prior="none")
    if name == ONE_SPACE:
        return {name: _one_space(folder, params)}
    change, values = ABLATIONS[name]
    trained, sequence, speech, head, log = adf.learn(folder, replace(params, **values), change)

    def judged() -> dict[str, Any]:
        held_out = adf.evaluate(trained, sequence, speech, head, log.facts)["held_out"]
        heard, truth = _held_out(sequence, speech)
        speaker = Speaker(trained)
        return held_out | {"adf": held_out["adf"] | _head(lambda k: to_motion(speaker.speak(heard, seed=k)), truth)}

    whole = judged()
    figures = {name: whole["adf"]}
    if name == "ADF":
        for label, gate in (("closed form alone", 0.0), ("codes alone", 1.0)):
            trained.network.gate.fill_(gate)
            figures[label] = judged()["adf"]
        figures |= {"ridge regression": whole["ridge_regression"], "mean motion": whole["mean_motion"]}
    return figures


def _one_space(folder: SubjectFolder, params: adf.AdfParams) -> dict[str, Any]:
    sequence, speech = read_flame(folder.flame), read_speech(folder.speech)
    head = read_head(AssetFolder.default().open_head)
    runs = adf.training_runs(sequence, speech, 0, train_length(len(sequence)))
    shape = torch.tensor(sequence.shape)
    network = one_space.learn(head, shape, runs, speech.groups, params)
    heard, truth = _held_out(sequence, speech)
    return motion_figures(head, shape, network.speak(heard), truth)


def _held_out(sequence: FlameSequence, speech: SpeechTrack) -> tuple[SpeechTrack, Motion]:
    """Speech and motion of the held-out frames, row by row.  Raises ValueError where one of them is not usable."""
    rows = np.arange(train_length(len(sequence)), len(sequence))
    spoken = spoken_rows(sequence, speech)[rows]
    if not sequence.usable[rows].all() or (spoken < 0).any():
        raise ValueError("ablations are measured on clips whose held-out frames are all usable")
    heard = replace(speech, frame=speech.frame[spoken], features=speech.features[spoken], energy=speech.energy[spoken])
    return heard, to_motion(sequence, rows)


def _head(speak: Speak, truth: Motion) -> dict[str, float]:
    made = np.array([head_motion(speak(seed).pose) for seed in range(SEEDS)]).mean(0)
    spread, speed = made / head_motion(truth.pose)
    return {"head_spread": float(spread), "head_speed": float(speed)}
