"""ADFs with a part left out, trained and judged like the whole one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.adf.config import AdfConfig
from models.adf.expression import ExpressionOutput, SpeechToExpression
from models.adf.network import Adf
from models.adf.style import StyleEncoder
from models.adf.vqvae import MotionVqVae
from tasks import adf
from tasks.artifacts.layout import SubjectFolder
from tasks.params import load_params


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
}


def ablate(folder: SubjectFolder, name: str, seed: int, profile: str = "cpu") -> dict[str, dict[str, Any]]:
    """Held-out figures by label: the ablated ADF; for the whole one its two paths and the baselines as well."""
    change, values = ABLATIONS[name]
    params = replace(load_params(adf.AdfParams, profile, "adf"), seed=seed, **values)
    trained, sequence, speech, head, log = adf.learn(folder, params, change)
    found = {name: adf.evaluate(trained, sequence, speech, head, log.facts)["held_out"]}
    if change is _whole and not values:
        for label, gate in (("closed form alone", 0.0), ("codes alone", 1.0)):
            trained.network.gate.fill_(gate)
            found[label] = adf.evaluate(trained, sequence, speech, head, log.facts)["held_out"]
    figures = {label: held_out["adf"] for label, held_out in found.items()}
    if change is _whole and not values:
        figures |= {"ridge regression": found[name]["ridge_regression"], "mean motion": found[name]["mean_motion"]}
    return figures
