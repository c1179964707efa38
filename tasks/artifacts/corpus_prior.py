"""``corpus.safetensors``: a prior learned from subjects, and whose motion and speech it was learned from.

facts: ``name``; ``members`` (id, style label, person, seconds used, consent, sha256 of source, motion and speech);
``encoder``, ``head``; parameters and figures of the training.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from models.adf.config import AdfConfig, PriorConfig
from models.adf.corpus_prior import CorpusPrior
from tasks.artifacts.weights import read_weights, write_weights
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.corpus-prior/1"
MADE_BY = "erlnet prior"


def write_corpus_prior(path: Path, prior: CorpusPrior, facts: dict[str, Any]) -> None:
    """Write atomically.  facts must hold ``name``, ``members``, ``encoder`` and ``head``."""
    network = {"adf": prior.config.to_json(), "mouth": asdict(prior.mouth.config)}
    write_weights(path, prior.state_dict(), {"format": FORMAT, "network": network, "facts": facts})


def read_corpus_prior(path: Path) -> tuple[CorpusPrior, dict[str, Any]]:
    """The prior in eval mode and its facts.  Raises MissingInput or DamagedArtifact."""
    state, config = read_weights(path, FORMAT, MADE_BY)
    try:
        sizes = config["network"]
        prior = CorpusPrior(AdfConfig.from_json(sizes["adf"]), PriorConfig(**sizes["mouth"]))
        prior.load_state_dict(state)
        facts = dict(config["facts"])
        missing = {"name", "members", "encoder", "head"} - set(facts)
        if missing:
            raise KeyError(f"no {sorted(missing)[0]} among the facts")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedArtifact(Path(path), (str(error) or repr(error)).splitlines()[0]) from error
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise DamagedArtifact(Path(path), "weights are not finite")
    return prior.eval(), facts
