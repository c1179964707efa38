"""What a subject's ADF starts from: nothing, the embedded prior, or a prior learned from other subjects."""

import hashlib
from collections.abc import Callable
from typing import Any, Literal

from models.adf.corpus_prior import difference, start_from
from models.adf.network import Adf, with_prior
from tasks.artifacts.corpus_prior import read_corpus_prior
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.layout import AssetFolder, PriorFolder
from tasks.artifacts.prior import read_prior
from tasks.artifacts.speech import SpeechTrack
from tasks.errors import BadInput

PriorName = Literal["none", "embedded", "corpus"]


def starting_point(
    name: PriorName, speech: SpeechTrack, sequence: FlameSequence
) -> tuple[Callable[[Adf], Adf], dict[str, str]]:
    """What puts the prior called ``name`` into an untrained ADF of a subject, and its line among the parts.

    Raises MissingInput, DamagedArtifact, or BadInput for a prior of another speech encoder or head model; what is
    returned raises BadInput for a network of other sizes.
    """
    if name == "none":
        return (lambda network: network), {}
    if name == "embedded":
        embedded, facts = read_prior(AssetFolder.default().adf_prior)
        _check(facts, speech, sequence, "the embedded prior", "python -m tasks.prior")
        return (lambda network: with_prior(network, embedded)), {"prior": facts["part"]}
    path = PriorFolder.default().weights
    prior, facts = read_corpus_prior(path)
    _check(facts, speech, sequence, f"the corpus prior {facts['name']!r}", "erlnet prior")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    part = f"corpus prior {facts['name']!r}, learned from {len(facts['members'])} subjects (sha256 {digest[:12]})"

    def start(network: Adf) -> Adf:
        if size := difference(network.config, prior.config):
            raise BadInput(
                f"the corpus prior {facts['name']!r} was made for networks of another {size}: give 'corpus_prior' in "
                "params.yaml the sizes of this profile's adf section and run 'erlnet prior', or set adf.prior: none"
            )
        return start_from(network, prior)

    return start, {"prior": part}


def _check(facts: dict[str, Any], speech: SpeechTrack, sequence: FlameSequence, prior: str, made_by: str) -> None:
    if facts["encoder"] != speech.encoder:
        raise BadInput(
            f"{prior} hears {facts['encoder']!r}, this subject's speech is encoded by {speech.encoder!r}: "
            "set adf.prior: none, or give both the same speech.encoder"
        )
    if facts["head"]["sha256"] != sequence.head.get("sha256"):
        raise BadInput(
            f"{prior} was made for the head model {facts['head'].get('name')!r}, this subject was tracked "
            f"with {sequence.head.get('name')!r}: run {made_by} again, or set adf.prior: none"
        )
