"""``checkpoints/<stage>.safetensors``: where an interrupted training goes on.

Not an artifact under DVC: it lies outside the stage's outs (which a repro deletes first) and is removed on success.
It belongs to one set of inputs and parameters, named by a fingerprint; a checkpoint of another set is not used.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tasks.artifacts.weights import read_weights, write_weights
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.checkpoint/1"


@dataclass
class Checkpoint:
    """step: steps done.  seconds: training time so far.  curve: rows so far.  network and optimiser tensors by name."""

    step: int
    seconds: float
    curve: list[dict[str, float]]
    tensors: dict[str, torch.Tensor]


def fingerprint(params: dict[str, Any], files: Iterable[Path]) -> str:
    """Hash of the parameters and of the contents of ``files``."""
    digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode())
    for path in files:
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def write_checkpoint(path: Path, checkpoint: Checkpoint, belongs_to: str) -> None:
    """Write atomically: a kill while writing leaves the previous checkpoint."""
    config = {
        "format": FORMAT,
        "belongs_to": belongs_to,
        "step": checkpoint.step,
        "seconds": checkpoint.seconds,
        "curve": checkpoint.curve,
    }
    write_weights(path, checkpoint.tensors, config)


def read_checkpoint(path: Path, belongs_to: str) -> Checkpoint | None:
    """The checkpoint, or None where there is none, it is damaged, or it belongs to other inputs or parameters."""
    if not Path(path).exists():
        return None
    try:
        tensors, config = read_weights(path, FORMAT, "an interrupted training")
        if config["belongs_to"] != belongs_to:
            return None
        return Checkpoint(config["step"], config["seconds"], config["curve"], tensors)
    except (DamagedArtifact, KeyError):
        return None
