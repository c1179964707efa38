"""``subject.yaml``: who the subject is, where the video came from, and that its use was consented to."""

import itertools
from collections.abc import Iterable, Sequence
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


Verdict = Literal["pass", "warn", "fail", "not measured"]


class GateRecord(BaseModel):
    """What one gate (tasks/gates) said of the source video.

    value: the measured number in ``unit``; None where nothing could be measured.  limits: what was asked for, in words.
    advice: one sentence: what it means and what to do; empty where there is nothing to do.
    """

    model_config = ConfigDict(extra="forbid")
    gate: str
    verdict: Verdict
    value: float | None
    unit: str
    limits: str
    advice: str = ""

    @property
    def measured(self) -> str:
        """The number with its unit, for people."""
        return "not measured" if self.value is None else f"{self.value:.4g} {self.unit}".strip()

    @property
    def line(self) -> str:
        """``face size 41 px (at least 64 px): film closer``."""
        return f"{self.gate} {self.measured} ({self.limits}): {self.advice}"


def overall(gates: Iterable[GateRecord]) -> Verdict:
    """The worst verdict of all; what was not measured does not count."""
    given = {gate.verdict for gate in gates}
    return "fail" if "fail" in given else "warn" if "warn" in given else "pass"


class Clip(BaseModel):
    """A clip that the source video was joined from; between two there is a pause without a face or a sound.

    name: in the set it comes from.  start, seconds: where it lies in the source video.
    """

    model_config = ConfigDict(extra="forbid")
    name: str
    sha256: str = Field(pattern=r"[0-9a-f]{64}")
    start: float = Field(ge=0)
    seconds: float = Field(gt=0)


def pauses_between(clips: Sequence[Clip]) -> list[tuple[float, float]]:
    """(start, end) in seconds of the pauses between consecutive ``clips``."""
    return [(a.start + a.seconds, b.start) for a, b in itertools.pairwise(clips)]


Use = Literal["portrait", "corpus"]


class SubjectRecord(BaseModel):
    """Everything that is known of a subject before any stage has run.

    use: ``corpus`` where only a prior is to be learned from it: no stage but crop, track and speech.  person: who is
    seen, where several subjects are of one person; None: the subject's id says it.  clips: what the source was joined
    from, if it was.
    status, reasons: ``quarantined`` with the reasons where the source was found unusable; no stage runs then.
    gates: what the gates said.  forced: the failing ones that ``--force`` went past.
    """

    model_config = ConfigDict(extra="forbid")
    id: str
    source: Source
    consent: Consent
    profile: str
    style: str = "neutral"
    use: Use = "portrait"
    person: str | None = None
    split: Literal["first 10/11 train, last 1/11 test"] = "first 10/11 train, last 1/11 test"
    status: Literal["active", "quarantined"] = "active"
    formerly: list[str] = []  # ids before renaming, oldest first: renders made then carry them
    earlier: list[Earlier] = []  # sources before re-sourcing, oldest first
    reasons: list[str] = []
    gates: list[GateRecord] = []
    forced: list[str] = []
    clips: list[Clip] = []

    @field_validator("id")
    @classmethod
    def _legal_id(cls, value: str) -> str:
        return check_subject_id(value)


def write_subject(path: Path, record: SubjectRecord) -> None:
    """Write atomically.  What a subject has no history of, and no gate has said, is left out."""
    data = record.model_dump()
    for history in ("formerly", "earlier", "gates", "forced", "clips", "person"):
        if not data[history]:
            del data[history]
    if record.use == "portrait":
        del data["use"]
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
