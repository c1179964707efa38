"""What many filmed people have in common: the parts of an ADF that do not have to be learned for each of them anew.

All of them work in coordinates of the head model about a person's own mean: directions of motion and of what is heard
are shared, the means are the person's (``centre``).  A person's ADF starts from copies (``start_from``) and is trained
as ever; what depends on one person alone (skip path, expression codes from speech, gate, gain) has no prior.
"""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from models.adf.config import AdfConfig, PriorConfig
from models.adf.contrastive import SpeechMotionEmbedding
from models.adf.data import Run
from models.adf.motion import MotionBasis
from models.adf.network import Adf, with_prior
from models.adf.pose import PosePrior
from models.adf.prior import MouthPrior
from models.adf.speech import SpeechFront
from models.adf.style import StyleEncoder
from models.adf.vqvae import MotionVqVae

SHARED = (
    "front",
    "expression_basis",
    "pose_basis",
    "expression_space",
    "pose_space",
    "embedding",
    "style",
    "to_pose",
)
"""Parts of ``Adf`` of which ``CorpusPrior`` has one of the same sizes."""


class CorpusPrior(nn.Module):
    """``mouth``, the expression branch that a sound usually goes with, and the parts named in SHARED."""

    def __init__(self, config: AdfConfig, mouth: PriorConfig):
        super().__init__()
        self.config = config
        expression, pose = config.expression.components, config.pose.components
        self.mouth = MouthPrior(mouth)
        self.front = SpeechFront(config.speech)
        self.expression_basis = MotionBasis(config.expression.channels, expression)
        self.pose_basis = MotionBasis(config.pose.channels, pose)
        heard = self.front.channels
        self.expression_space = MotionVqVae(config.expression, config.heads, config.dropout)
        self.pose_space = MotionVqVae(config.pose, config.heads, config.dropout)
        self.style = StyleEncoder(expression + pose, config.style_channels, config.width, config.heads, config.dropout)
        self.embedding = SpeechMotionEmbedding(heard, expression, config.embedding_channels)
        self.to_pose = PosePrior(config, heard)

    @torch.no_grad()
    def centre(self, runs: Iterable[Run]) -> None:
        """Put the means of ``runs`` into front and bases; the directions stay."""
        _centre(self.front, self.expression_basis, self.pose_basis, runs)

    @torch.no_grad()
    def coordinates(self, runs: list[Run]) -> list[tuple[Tensor, Tensor, Tensor]]:
        """(heard [N, S], expression [N, M], pose [N, P]) of one person's runs, about that person's means."""
        front, face = copy.deepcopy(self.front), copy.deepcopy(self.expression_basis)
        head = copy.deepcopy(self.pose_basis)
        _centre(front, face, head, runs)
        return [(front(run.features, run.energy), face(run.expression), head(run.pose)) for run in runs]


def _centre(front: SpeechFront, face: MotionBasis, head: MotionBasis, runs: Iterable[Run]) -> None:
    parts = [(run.features, run.energy, run.expression, run.pose) for run in runs]
    features, energy, expression, pose = (torch.cat(column) for column in zip(*parts, strict=True))
    front.centre(features, energy)
    face.centre(expression)
    head.centre(pose)


def difference(config: AdfConfig, prior: AdfConfig) -> str | None:
    """The first size in which an ADF of ``config`` differs from what ``prior`` was made for; None: it can start."""
    for name in ("width", "layers", "heads", "style_channels", "embedding_channels", "expression", "pose", "speech"):
        if getattr(config, name) != getattr(prior, name):
            return name
    return None


def start_from(adf: Adf, prior: CorpusPrior) -> Adf:
    """``adf``, not yet trained, with copies of the parts of ``prior``.

    Raises ValueError where their sizes differ (``difference`` says in what).
    """
    if name := difference(adf.config, prior.config):
        raise ValueError(f"the prior was made for another {name}")
    fresh = with_prior(adf, prior.mouth)
    for name in SHARED:
        getattr(fresh, name).load_state_dict(getattr(prior, name).state_dict())
    fresh.common_coordinates = True
    return fresh
