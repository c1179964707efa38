"""``frozen.yaml``: that a subject is to be left as it is, since when and why.  Its presence freezes."""

from datetime import UTC, datetime
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.artifacts.atomic import write_text
from tasks.errors import DamagedArtifact


class Frozen(BaseModel):
    """since: ISO 8601, UTC."""

    model_config = ConfigDict(extra="forbid")
    since: str
    reason: str = Field(default="", max_length=2000)


def write_frozen(path: Path, reason: str) -> None:
    frozen = Frozen(since=datetime.now(UTC).isoformat(timespec="seconds"), reason=reason)
    write_text(path, yaml.safe_dump(frozen.model_dump(), sort_keys=False, allow_unicode=True))


def read_frozen(path: Path) -> Frozen | None:
    """None where there is no such file.  Raises DamagedArtifact."""
    try:
        return Frozen.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        raise DamagedArtifact(path, "it does not say since when; 'erlnet unfreeze' removes it") from error
