"""``data/priors/corpus.yaml``: which subjects the corpus prior is learned from; written when it is asked for.

Styles, people and consents are those of the subjects' records at that moment, so that a record that changes in another
respect does not make the prior stale.
"""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tasks.artifacts.atomic import write_text
from tasks.artifacts.layout import check_subject_id
from tasks.errors import BadInput, DamagedArtifact, MissingInput

HEADING = (
    "# Whom the corpus prior is learned from.  Made by 'erlnet prior' from corpus_prior.subjects of params.yaml.\n"
)


class CorpusMember(BaseModel):
    """person: who is seen, the same for several subjects of one person.  source_sha256: of the video."""

    model_config = ConfigDict(extra="forbid")
    id: str
    style: str
    person: str
    source_sha256: str = Field(pattern=r"[0-9a-f]{64}")
    consent: str

    @field_validator("id")
    @classmethod
    def _legal_id(cls, value: str) -> str:
        return check_subject_id(value)


class Corpus(BaseModel):
    """Members in the order in which they are trained on: sorted by id."""

    model_config = ConfigDict(extra="forbid")
    members: list[CorpusMember]


def corpus_text(corpus: Corpus) -> str:
    """The text of the file."""
    return HEADING + yaml.safe_dump(corpus.model_dump(), sort_keys=False, allow_unicode=True, width=120)


def write_corpus(path: Path, corpus: Corpus) -> None:
    """Write atomically."""
    write_text(path, corpus_text(corpus))


def read_corpus(path: Path) -> Corpus:
    """Raises MissingInput or DamagedArtifact."""
    if not Path(path).exists():
        raise MissingInput(Path(path), "erlnet prior")
    try:
        data: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return Corpus.model_validate(data)
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError, BadInput) as error:
        raise DamagedArtifact(Path(path), str(error).splitlines()[0]) from error
