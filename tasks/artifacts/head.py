"""``open_head.safetensors``: a head model in FLAME's layout (open or FLAME's own), one file of numbers and JSON."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from models.flame.head import FlameHead
from models.flame.landmarks import LandmarkEmbedding
from models.flame.regions import REGIONS
from tasks.artifacts.weights import read_weights, write_weights
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.head/1"
MADE_BY = "python -m tasks.head"
ARRAYS = (
    "template",
    "shape_basis",
    "expression_basis",
    "pose_basis",
    "joint_regressor",
    "skinning_weights",
    "expression_range",
    "faces",
)


def write_head(path: Path, head: FlameHead, info: dict[str, Any]) -> None:
    """Write ``head`` atomically.  info: JSON-able facts of how it was made; must hold ``name``.

    Floating arrays are stored as float32, indices as int32.
    """
    if "name" not in info:
        raise ValueError("info must name the head model")
    state: dict[str, torch.Tensor] = {name: getattr(head, name) for name in ARRAYS}
    state |= {f"region.{name}": index for name, index in head.regions.items()}
    for name, embedding in head.embeddings.items():
        state[f"embedding.{name}.faces"] = embedding.faces
        state[f"embedding.{name}.weights"] = embedding.weights
        state[f"embedding.{name}.uncertainty"] = embedding.uncertainty
    stored = {
        name: value.to(torch.float32 if value.is_floating_point() else torch.int32) for name, value in state.items()
    }
    config = {"format": FORMAT, "info": info, "expression_names": list(head.expression_names)}
    write_weights(path, stored, config)


def read_head(path: Path, made_by: str = MADE_BY) -> FlameHead:
    """Read a head model (float32).  Raises MissingInput or DamagedArtifact."""
    state, config = read_weights(path, FORMAT, made_by)
    missing = [name for name in (*ARRAYS, *(f"region.{name}" for name in REGIONS)) if name not in state]
    if missing or "expression_names" not in config:
        raise DamagedArtifact(Path(path), f"{(missing or ['expression_names'])[0]} is missing")
    regions = {name.split(".", 1)[1]: value.long() for name, value in state.items() if name.startswith("region.")}
    try:
        embeddings = {
            name.split(".")[1]: LandmarkEmbedding(
                value.long(),
                state[name.replace(".faces", ".weights")],
                state[name.replace(".faces", ".uncertainty")],
            )
            for name, value in state.items()
            if name.startswith("embedding.") and name.endswith(".faces")
        }
        head = FlameHead(
            **{name: state[name] for name in ARRAYS if name != "faces"},
            faces=state["faces"].long(),
            expression_names=config["expression_names"],
            regions=regions,
            embeddings=embeddings,
        )
    except (KeyError, ValueError) as error:
        raise DamagedArtifact(Path(path), str(error)) from error
    problem = _inconsistency(head)
    if problem:
        raise DamagedArtifact(Path(path), problem)
    return head


def head_identity(path: Path) -> dict[str, Any]:
    """{"name", "sha256"} of a head model file: which head a sequence or a network belongs to.

    The hash covers the arrays and names, not how the file was packed.
    """
    state, config = read_weights(path, FORMAT, MADE_BY)
    digest = hashlib.sha256(json.dumps(config["expression_names"]).encode())
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(str(tuple(state[name].shape)).encode())
        digest.update(state[name].numpy().tobytes())
    return {"name": config["info"]["name"], "sha256": digest.hexdigest()}


def head_info(path: Path) -> dict[str, Any]:
    """The facts of how the head model was made (variance kept, embedding error, packages)."""
    return read_weights(path, FORMAT, MADE_BY)[1]["info"]


def _inconsistency(head: FlameHead) -> str | None:
    vertices = len(head.template)
    for name, index in [("faces", head.faces), *head.regions.items()]:
        if index.numel() and not (int(index.min()) >= 0 and int(index.max()) < vertices):
            return f"{name} points outside the {vertices} vertices"
    for name, embedding in head.embeddings.items():
        if len(embedding) and not (int(embedding.faces.min()) >= 0 and int(embedding.faces.max()) < len(head.faces)):
            return f"the landmark embedding {name} points outside the {len(head.faces)} triangles"
    for name in ARRAYS:
        value = getattr(head, name)
        # A range may have no ends.
        if not bool((~torch.isnan(value) if name == "expression_range" else torch.isfinite(value)).all()):
            return f"{name} holds values that are not finite"
    return None
