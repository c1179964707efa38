"""Folders of transformers with a wav2vec 2.0 or HuBERT encoder: ``config.json``, weights, ``preprocessor_config.json``.

The weights are ``model.safetensors``, or ``pytorch_model.bin`` read as numbers only.  No code of the folder is run.
"""

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from models.speech.wave_encoder import WaveEncoder
from tasks.errors import BadInput
from tasks.registry import sha256_of

CONFIG, SAFE, PLAIN, PREPARATION = "config.json", "model.safetensors", "pytorch_model.bin", "preprocessor_config.json"


def read_wave_encoder(folder: Path) -> WaveEncoder:
    """The encoder in ``folder``, named by the sha256 of its weights.  Raises BadInput, one line."""
    config = _json(folder / CONFIG)
    preparation = _json(folder / PREPARATION) if (folder / PREPARATION).exists() else {}
    path = folder / SAFE if (folder / SAFE).exists() else folder / PLAIN
    try:
        weights: Any = load_file(path) if path.name == SAFE else torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
            raise ValueError("it holds no weights by name")
        return WaveEncoder(config, weights, bool(preparation.get("do_normalize", True)), sha256_of(path))
    except ImportError:
        raise BadInput(
            f"{folder} needs the package transformers: install it with pip install 'erlnet[speech-encoders]'"
        ) from None
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(f"{path} is not usable ({reason}): get the folder's files again") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(f"{path} cannot be read ({reason}): get the folder's files again") from None
    if not isinstance(read, dict):
        raise BadInput(f"{path} does not hold an object: get the folder's files again")
    return read
