"""``subject.yaml``: who the subject is, where the video came from, and that its use was consented to."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tasks.artifacts.atomic import write_text
from tasks.artifacts.layout import check_subject_id
from tasks.errors import BadInput, DamagedArtifact, MissingInput


class Source(BaseModel):
    """The video as it was handed in."""

    model_config = ConfigDict(extra="forbid")
    name: str  # file name at onboarding
    sha256: str = Field(pattern=r"[0-9a-f]{64}")
    bytes: int = Field(gt=0)


class Consent(BaseModel):
    """Why this person's likeness may be synthesised; recorded at onboarding, repeated in every render."""

    model_config = ConfigDict(extra="forbid")
    statement: str = Field(min_length=1, max_length=2000)
    recorded: str  # ISO 8601, UTC


class Earlier(BaseModel):
    """A source that the subject no longer is made from; videos rendered then still name it."""

    model_config = ConfigDict(extra="forbid")
    source: Source
    consent: Consent


class SubjectRecord(BaseModel):
    """Everything that is known of a subject before any stage has run."""

    model_config = ConfigDict(extra="forbid")
    id: str
    source: Source
    consent: Consent
    profile: str
    style: str = "neutral"
    split: Literal["first 10/11 train, last 1/11 test"] = "first 10/11 train, last 1/11 test"
    status: Literal["active", "quarantined"] = "active"
    reasons: list[str] = []  # why it is quarantined
    formerly: list[str] = []  # ids before renaming, oldest first: renders made then carry them
    earlier: list[Earlier] = []  # sources before re-sourcing, oldest first

    @field_validator("id")
    @classmethod
    def _legal_id(cls, value: str) -> str:
        return check_subject_id(value)


def write_subject(path: Path, record: SubjectRecord) -> None:
    """Write atomically.  What a subject has no history of is left out."""
    data = record.model_dump()
    for history in ("formerly", "earlier"):
        if not data[history]:
            del data[history]
    write_text(path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def read_subject(path: Path) -> SubjectRecord:
    """Raises MissingInput or DamagedArtifact."""
    if not Path(path).exists():
        raise MissingInput(Path(path), "erlnet onboard")
    try:
        data: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return SubjectRecord.model_validate(data)
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError, BadInput) as error:
        reason = error.errors()[0] if isinstance(error, ValidationError) else None
        text = f"{'.'.join(map(str, reason['loc']))}: {reason['msg']}" if reason else str(error).splitlines()[0]
        raise DamagedArtifact(Path(path), text) from error
