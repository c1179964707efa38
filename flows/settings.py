"""How this checkout is operated: ``fleet.yaml`` at the root, and ``ERLNET_...`` variables, which win over it.

Nothing here changes an artifact; what does stands in ``params.yaml``.  ``ERLNET_INBOX=s3://bucket/prefix`` sets
``inbox``, ``ERLNET_SLOTS='{"cpu": 4}'`` sets ``slots``.
"""

import os
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource
from yaml import YAMLError

from tasks.artifacts.layout import repository_root
from tasks.errors import BadInput

# Slots of the machine that a stage takes while it runs, where fleet.yaml says nothing else.
STAGE_SLOTS = {
    "animate": {"cpu": 1, "gpu": 1},
    "adf": {"cpu": 1, "gpu": 1},
    "nerf": {"cpu": 1, "gpu": 1},
    "evaluate": {"cpu": 1, "gpu": 1},
}
OTHER_STAGE = {"cpu": 1}


def default_slots() -> dict[str, int]:
    """Stages use several cores each, but never all the time."""
    return {"cpu": max(2, (os.cpu_count() or 2) // 2), "gpu": 2}


class Settings(BaseSettings):
    """Everything an operator may set; ``fleet.yaml`` explains each."""

    model_config = SettingsConfigDict(env_prefix="ERLNET_", extra="forbid", frozen=True)

    inbox: str = Field("data/inbox", min_length=1)
    share: bool = False
    remote: str = Field("../erlnet-remote", min_length=1)
    git_remote: str = Field("origin", pattern=r"^[A-Za-z0-9][\w./:@~+-]*$")
    branch: str = Field("fleet", pattern=r"^[A-Za-z0-9][\w./-]*$")
    slots: dict[str, NonNegativeInt] = Field(default_factory=default_slots)
    fleet_slots: dict[str, PositiveInt] = Field(default_factory=dict)
    stages: dict[str, dict[str, NonNegativeInt]] = Field(default_factory=dict)
    events: str = ""
    webhook: str = Field("", pattern=r"^(https?://.+)?$")
    keep_days: float = Field(30.0, gt=0)
    server_patience: float = Field(120.0, gt=0)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: Any, env_settings: Any, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, YamlConfigSettingsSource(settings_cls, repository_root() / "fleet.yaml"))

    def needs(self, stage: str) -> dict[str, int]:
        """Slots that ``stage`` takes, by resource."""
        return self.stages.get(stage, STAGE_SLOTS.get(stage, OTHER_STAGE))

    def remote_url(self, root: Path) -> str:
        """Where DVC keeps what is shared: an URL, or the absolute path of a folder."""
        return self.remote if "://" in self.remote else str((root / self.remote).resolve())


def load_settings() -> Settings:
    """Read file and environment.  Raises BadInput that names the first unusable setting."""
    try:
        return Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "content"
        raise BadInput(f"fleet.yaml or ERLNET_{name.upper()}: {name}: {first['msg']}") from None
    except (YAMLError, ValueError) as error:
        raise BadInput(f"fleet.yaml or an ERLNET_ variable cannot be read: {str(error).splitlines()[0]}") from None
