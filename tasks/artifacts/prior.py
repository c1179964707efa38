"""``adf_prior.safetensors``: what a mouth usually does for a sound, and the facts of how that was learned."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from models.adf.config import PriorConfig
from models.adf.prior import MouthPrior
from tasks.artifacts.weights import read_weights, write_weights
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.adf-prior/2"
Prior = TypeVar("Prior", bound=nn.Module)


def write_prior(path: Path, prior: MouthPrior, facts: dict[str, Any]) -> None:
    """Write atomically.  facts must name the speech ``encoder``, the ``head`` and the ``part`` that the prior is."""
    write_weights(path, prior.state_dict(), {"format": FORMAT, "network": asdict(prior.config), "facts": facts})


def read_prior(path: Path) -> tuple[MouthPrior, dict[str, Any]]:
    """The prior in eval mode and its facts.  Raises MissingInput or DamagedArtifact."""
    state, config = read_weights(path, FORMAT, "python -m tasks.prior")
    return checked(path, state, config, {"encoder", "head", "part"}, lambda sizes: MouthPrior(PriorConfig(**sizes)))


def checked(
    path: Path, state: dict[str, torch.Tensor], config: dict[str, Any], needed: set[str], make: Callable[[Any], Prior]
) -> tuple[Prior, dict[str, Any]]:
    """What ``make`` builds of the stored sizes, with the stored weights, in eval mode, and the facts.

    Raises DamagedArtifact where sizes and weights do not fit, a ``needed`` fact is missing, or weights are not finite.
    """
    try:
        prior = make(config["network"])
        prior.load_state_dict(state)
        facts = dict(config["facts"])
        missing = needed - set(facts)
        if missing:
            raise KeyError(f"no {sorted(missing)[0]} among the facts")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedArtifact(Path(path), (str(error) or repr(error)).splitlines()[0]) from error
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise DamagedArtifact(Path(path), "weights are not finite")
    return prior.eval(), facts
