"""``nerf.safetensors``: a person's DBF-NeRF with everything but the head model that rendering needs.

The header's configuration holds the network's sizes, the camera, the identity's shape coefficients and the head
model's identity; the tensors are the network's, and the front map's under ``front.``.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.nerf.front_map import FrontMap
from models.nerf.network import DualBranchNerf, NerfConfig
from tasks.artifacts.weights import read_weights, write_weights
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.nerf/3"
MADE_BY = "the nerf stage"


@dataclass
class TrainedNerf:
    """network: in eval mode, on the CPU.  front: the person's front map.  shape [S]: identity coefficients.
    head: {"name", "sha256"} of the head model it was trained with.  parts: role -> part that filled it.
    training: facts of the training (steps, seed, device)."""

    network: DualBranchNerf
    front: FrontMap
    shape: np.ndarray
    head: dict[str, Any]
    parts: dict[str, str]
    training: dict[str, Any]


def write_nerf(path: Path, trained: TrainedNerf) -> None:
    """Write atomically."""
    state = dict(trained.network.state_dict())
    state |= {f"front.{part.name}": getattr(trained.front, part.name).clone() for part in fields(FrontMap)}
    config = {
        "format": FORMAT,
        "network": trained.network.config.as_dict(),
        "shape": [float(x) for x in trained.shape],
        "head": trained.head,
        "parts": trained.parts,
        "training": trained.training,
    }
    write_weights(path, state, config)


def read_nerf(path: Path) -> TrainedNerf:
    """Raises MissingInput or DamagedArtifact."""
    state, config = read_weights(path, FORMAT, MADE_BY)
    try:
        front = FrontMap(**{part.name: state.pop(f"front.{part.name}") for part in fields(FrontMap)})
        network = DualBranchNerf(NerfConfig(**config["network"]), front, state["plate"][0])
        network.load_state_dict(state)
        shape = np.asarray(config["shape"], np.float32)
        trained = TrainedNerf(network.eval(), front, shape, config["head"], config["parts"], config["training"])
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise DamagedArtifact(Path(path), (str(error) or repr(error)).splitlines()[0]) from error
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise DamagedArtifact(Path(path), "weights are not finite")
    return trained
