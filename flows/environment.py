"""Environment of the flows: Prefect's defaults for this project, and what a stage's process inherits."""

import os
import sys
from typing import Any

from tasks.artifacts.layout import repository_root


def set_defaults() -> None:
    """Defaults for Prefect, which reads them on import; whatever the user has set stays.

    Nothing is reported to anyone, and the database of the embedded server lies in the checkout (git ignores it) so
    that two checkouts do not share one.
    """
    defaults = {
        "PREFECT_HOME": str(repository_root() / ".prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",  # 20 is too little on a busy two-core machine
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def stage_environment() -> dict[str, str]:
    """Environment of a stage: ``python`` is this interpreter, whose output is not held back."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}


def as_options(wanted: dict[str, Any]) -> list[str]:
    """Options of a task's command line for what is not None, repeated for a list; '=' lets a value begin with '-'."""
    given = {name: value if isinstance(value, list) else [value] for name, value in wanted.items() if value is not None}
    return [f"--{name}={value}" for name, values in given.items() for value in values]
