"""Everything that is needed to rebuild the networks of an ADF before its weights are loaded."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class BranchConfig:
    """One motion branch: ``channels`` FLAME values a frame, learned in ``components`` coordinates; one latent of
    ``width`` values every ``stride`` frames, quantised by ``levels`` residual codebooks of ``codes`` entries."""

    channels: int
    components: int
    stride: int
    codes: int
    levels: int
    width: int
    layers: int


@dataclass(frozen=True)
class SpeechGroup:
    """``channels`` neighbouring speech features of one kind, heard as ``components`` whitened principal components
    times ``weight``."""

    name: str
    channels: int
    components: int
    weight: float = 1.0


@dataclass(frozen=True)
class PriorConfig:
    """features: channels of the speech encoder; components: kept of them; channels: E + 9 of the expression branch;
    motion: coordinates of it that are predicted; width: of the convolutions."""

    features: int
    components: int
    channels: int
    motion: int
    width: int


@dataclass(frozen=True)
class AdfConfig:
    """Sizes of all parts.

    expression, pose: the two latent spaces.  speech: the groups that the speech features consist of, in their
    order; context: frames on each side that the ridge skip path sees.  window: frames of a
    training and generation window.  style_channels: width of the style code.  embedding_channels: width of the
    common space of speech and motion.  width, layers, heads, dropout: of the fusion transformers.
    members: of the ensemble from speech to expression.  prior: sizes of the prior that this ADF was fine-tuned from,
    None without one.
    """

    expression: BranchConfig
    pose: BranchConfig
    speech: tuple[SpeechGroup, ...]
    context: int
    window: int
    style_channels: int
    embedding_channels: int
    width: int
    layers: int
    heads: int
    dropout: float
    members: int
    prior: PriorConfig | None = None

    @property
    def speech_channels(self) -> int:
        """Number of speech features."""
        return sum(group.channels for group in self.speech)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "AdfConfig":
        """Raises KeyError or TypeError where ``values`` is not what ``to_json`` made."""
        branches: dict[str, Any] = {name: BranchConfig(**values[name]) for name in ("expression", "pose")}
        groups = tuple(SpeechGroup(**group) for group in values["speech"])
        prior = PriorConfig(**values["prior"]) if values.get("prior") else None
        return cls(**{**values, **branches, "speech": groups, "prior": prior})
