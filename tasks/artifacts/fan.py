"""``2DFAN4-11f355bf06.pth.tar``: the published weights of FAN for 68 landmarks, a plain state dictionary."""

from pathlib import Path

from torch import nn

from models.landmarks.fan68 import fan_network
from tasks.artifacts.published_weights import load_published

WHERE = "https://www.adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar"
"""Where face-alignment 1.5.0 takes it from."""


def read_fan(path: Path) -> nn.Module:
    """The network in evaluation mode.  Nothing that the file names is run.  Raises BadInput, one line."""
    return load_published(Path(path), fan_network(), f"replace it by {WHERE}")
