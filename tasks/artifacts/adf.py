"""``adf.safetensors``: a subject's ADF with everything that speaking needs, but no other file.

The header's configuration holds the networks' sizes, what the subject's sequences look like (shape, focal length,
image size, frame rate, head model), the speech encoder, the habits of the eyes; the tensors hold the weights and, as
``own_style.*``, the piece of the training motion that is the subject's own style.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.adf.config import AdfConfig
from models.adf.eyes import EyeHabits
from models.adf.network import Adf, Motion
from tasks.artifacts.weights import read_weights, write_weights
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.adf/4"


@dataclass
class TrainedAdf:
    """network: in eval mode.  style: the subject's own style window.  shape [S], focal, image_size, fps, head: of the
    sequence it was trained on.  encoder: name of the speech encoder.  parts: role -> part of the tracked sequence."""

    network: Adf
    style: Motion
    habits: EyeHabits
    shape: np.ndarray
    focal: float
    image_size: int
    fps: float
    head: dict[str, Any]
    encoder: str
    parts: dict[str, str]


def write_adf(path: Path, trained: TrainedAdf) -> None:
    """Write atomically."""
    network = trained.network
    config = {
        "format": FORMAT,
        "network": network.config.to_json(),
        "supports": len(network.skip.support),
        "habits": asdict(trained.habits),
        "shape": [float(x) for x in trained.shape],
        "focal": float(trained.focal),
        "image_size": int(trained.image_size),
        "fps": float(trained.fps),
        "head": trained.head,
        "encoder": trained.encoder,
        "parts": trained.parts,
    }
    own = {"own_style.expression": trained.style.expression, "own_style.pose": trained.style.pose}
    write_weights(path, network.state_dict() | own, config)


def read_adf(path: Path) -> TrainedAdf:
    """Raises MissingInput or DamagedArtifact."""
    state, config = read_weights(path, FORMAT, "the adf stage")
    try:
        style = Motion(state.pop("own_style.expression"), state.pop("own_style.pose"))
        network = Adf(AdfConfig.from_json(config["network"]), config["supports"])
        network.load_state_dict(state)
        stored: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config["habits"].items()}
        habits = EyeHabits(**stored)
        trained = TrainedAdf(
            network.eval(),
            style,
            habits,
            np.asarray(config["shape"], np.float32),
            config["focal"],
            config["image_size"],
            config["fps"],
            config["head"],
            config["encoder"],
            config["parts"],
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedArtifact(Path(path), (str(error) or repr(error)).splitlines()[0]) from error
    if not all(bool(torch.isfinite(v).all()) for name, v in state.items() if name not in ("lower", "upper")):
        raise DamagedArtifact(Path(path), "weights are not finite")
    return trained
