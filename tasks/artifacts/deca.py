"""``deca_model.tar``: DECA's published checkpoint, of which the coarse encoder is used (key ``E_flame``)."""

import pickle
from pathlib import Path
from typing import Any

import torch

from models.deca.encoder import DecaEncoder
from tasks.errors import BadInput, MissingInput

KEY = "E_flame"
MADE_BY = "nobody here: register at https://deca.is.tue.mpg.de and download deca_model.tar"
_COUNTER = "num_batches_tracked"  # of training; not used and not in every version of the file


def read_deca(path: Path) -> DecaEncoder:
    """The encoder in evaluation mode.  Nothing that the file names is run.

    Raises MissingInput where there is no file and BadInput, one line, where it is not that checkpoint.
    """
    path = Path(path)
    if not path.exists():
        raise MissingInput(path, MADE_BY)
    try:
        file: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(f"{path} is not a file of weights ({reason}); {_ADVICE}") from None
    state = file.get(KEY) if isinstance(file, dict) else None
    if not isinstance(state, dict):
        raise BadInput(f"{path} holds no {KEY!r}, the coarse encoder; {_ADVICE}")
    network = DecaEncoder()
    problem = _difference(network.state_dict(), state)
    if problem:
        raise BadInput(f"{path}: {KEY} {problem}; {_ADVICE}")
    network.load_state_dict(state, strict=False)
    return network.eval().requires_grad_(False)


_ADVICE = "replace it by the published deca_model.tar"


def _difference(expected: dict[str, torch.Tensor], found: dict[str, Any]) -> str | None:
    wanted = [name for name in expected if not name.endswith(_COUNTER)]
    missing = [name for name in wanted if name not in found]
    if missing:
        return f"lacks {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
    unknown = [name for name in found if name not in expected]
    if unknown:
        return f"holds {unknown[0]}, which the network has not"
    for name in wanted:
        value = found[name]
        if not isinstance(value, torch.Tensor) or value.shape != expected[name].shape:
            shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
            return f"has {name} of shape {shape}, expected {tuple(expected[name].shape)}"
        if not bool(torch.isfinite(value).all()):
            return f"has values in {name} that are not finite"
    return None
