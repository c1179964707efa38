"""PyTorch checkpoints that others published: read as numbers only, and refused unless they fit the network."""

import pickle
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from tasks.errors import BadInput

Network = TypeVar("Network", bound=nn.Module)
_COUNTER = "num_batches_tracked"  # of training; not used and not in every version of a file


def load_published(path: Path, network: Network, advice: str, key: str | None = None) -> Network:
    """``network`` with the weights of ``path``, in evaluation mode, without gradients.  Nothing the file names is run.

    key: under which the file keeps them (None: the file is the state dictionary itself).  advice: what to do about a
    wrong file, the end of the line.  Raises BadInput, one line.
    """
    try:
        file: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(f"{path} is not a file of weights ({reason}); {advice}") from None
    if key is not None and isinstance(file, dict):
        file = file.get(key)
    if not isinstance(file, dict):
        raise BadInput(f"{path} holds no {'weights by name' if key is None else repr(key)}; {advice}")
    problem = _difference(network.state_dict(), file)
    if problem:
        raise BadInput(f"{path}: {f'{key} ' if key else ''}{problem}; {advice}")
    network.load_state_dict(file, strict=False)
    return network.eval().requires_grad_(False)


def load_chosen(path: Path, network: Network, parameter: str, chosen: str, otherwise: str, source: str) -> Network:
    """As ``load_published``, for a file that is used because ``parameter`` of params.yaml is ``chosen``.

    otherwise: the value that does without it.  source: where the file is to be had.  Its published name is ``path``'s.
    Raises BadInput, one line, where there is no file, too.
    """
    instead = f"or set {parameter}: {otherwise} in params.yaml"
    if not path.exists():
        raise BadInput(
            f"{path} is missing, and {parameter} is {chosen}: get {path.name} from {source} and put it there, {instead}"
        )
    return load_published(path, network, f"replace it by the published {path.name}, {instead}")


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
