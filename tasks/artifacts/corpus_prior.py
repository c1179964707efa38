"""``corpus.safetensors``: a prior learned from subjects, and whose motion and speech it was learned from.

facts: ``name``; ``members`` (id, style label, person, seconds used, consent, sha256 of source, motion and speech);
``encoder``, ``head``; parameters and figures of the training.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.adf.config import AdfConfig, PriorConfig
from models.adf.corpus_prior import CorpusPrior
from tasks.artifacts.prior import checked
from tasks.artifacts.weights import read_weights, write_weights

FORMAT = "erlnet.corpus-prior/1"
MADE_BY = "erlnet prior"


def write_corpus_prior(path: Path, prior: CorpusPrior, facts: dict[str, Any]) -> None:
    """Write atomically.  facts must hold ``name``, ``members``, ``encoder`` and ``head``."""
    network = {"adf": prior.config.to_json(), "mouth": asdict(prior.mouth.config)}
    write_weights(path, prior.state_dict(), {"format": FORMAT, "network": network, "facts": facts})


def read_corpus_prior(path: Path) -> tuple[CorpusPrior, dict[str, Any]]:
    """The prior in eval mode and its facts.  Raises MissingInput or DamagedArtifact."""
    state, config = read_weights(path, FORMAT, MADE_BY)
    return checked(path, state, config, {"name", "members", "encoder", "head"}, _network)


def _network(sizes: dict[str, Any]) -> CorpusPrior:
    return CorpusPrior(AdfConfig.from_json(sizes["adf"]), PriorConfig(**sizes["mouth"]))
