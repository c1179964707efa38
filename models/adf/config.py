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
class AdfConfig:
    """Sizes of all parts.

    expression, pose: the two latent spaces.  speech_channels: C of the speech features; speech_components: principal
    components kept of them; context: frames on each side that the ridge skip path sees.  window: frames of a
    training and generation window.  style_channels: width of the style code.  embedding_channels: width of the
    common space of speech and motion.  width, layers, heads, dropout: of the fusion transformers.
    """

    expression: BranchConfig
    pose: BranchConfig
    speech_channels: int
    speech_components: int
    context: int
    window: int
    style_channels: int
    embedding_channels: int
    width: int
    layers: int
    heads: int
    dropout: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "AdfConfig":
        """Raises KeyError or TypeError where ``values`` is not what ``to_json`` made."""
        branches: dict[str, Any] = {name: BranchConfig(**values[name]) for name in ("expression", "pose")}
        return cls(**{**values, **branches})
