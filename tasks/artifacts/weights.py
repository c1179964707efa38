"""Network weights: safetensors, with the configuration that rebuilds the network in the file's header.

One file, no pickle: a weight file from elsewhere can hold numbers and JSON and nothing that runs.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tasks.artifacts.atomic import atomic_path
from tasks.errors import DamagedArtifact, MissingInput

if TYPE_CHECKING:
    import torch


def write_weights(path: Path, state: "dict[str, torch.Tensor]", config: dict[str, Any]) -> None:
    """Write ``state`` with ``config`` (JSON-able; must hold "format") atomically."""
    if "format" not in config:
        raise ValueError("config must name its format")
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"config": json.dumps(config, sort_keys=True)})
        temporary.chmod(0o644)  # save_file makes it private; artifacts are shared like every other file


def read_weights(path: Path, format_name: str, made_by: str) -> "tuple[dict[str, torch.Tensor], dict[str, Any]]":
    """Read tensors and configuration.  Raises MissingInput or DamagedArtifact."""
    if not Path(path).exists():
        raise MissingInput(Path(path), made_by)
    try:
        with safe_open(str(path), framework="pt") as file:
            config = json.loads((file.metadata() or {})["config"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise DamagedArtifact(Path(path), str(error) or repr(error)) from error
    if config.get("format") != format_name:
        raise DamagedArtifact(Path(path), f"format is {config.get('format')!r}, expected {format_name!r}")
    return state, config


def read_config(path: Path, made_by: str) -> dict[str, Any]:
    """The configuration alone, of a weight file of any format.  Raises MissingInput or DamagedArtifact."""
    if not Path(path).exists():
        raise MissingInput(Path(path), made_by)
    try:
        with safe_open(str(path), framework="np") as file:
            return json.loads((file.metadata() or {})["config"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise DamagedArtifact(Path(path), str(error) or repr(error)) from error
