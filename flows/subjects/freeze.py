"""A frozen subject is left as it is: no repro, no refresh, no onboarding touches it until it is thawed."""

from pathlib import Path

from flows.subjects.known import known
from tasks.artifacts.frozen import read_frozen, write_frozen


def freeze(root: Path, subject: str, reason: str = "") -> bool:
    """Freeze; returns whether that is new.  A stage that runs already is not stopped.  Raises BadInput."""
    folder = known(root, subject)
    if read_frozen(folder.frozen):
        return False
    write_frozen(folder.frozen, reason)
    return True


def unfreeze(root: Path, subject: str) -> bool:
    """Let it be run again; returns whether it was frozen.  Raises BadInput."""
    folder = known(root, subject)
    there = folder.frozen.exists()
    folder.frozen.unlink(missing_ok=True)
    return there
