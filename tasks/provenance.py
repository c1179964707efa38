"""What every render of a real person carries in its file: that it is synthetic, of whom, by whose leave, by what."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tasks.artifacts.subject import SubjectRecord
from tasks.registry import sha256_of


def tool_version() -> str:
    """Version of this project, as installed."""
    try:
        return version("erlnet")
    except PackageNotFoundError:
        return "unknown (not installed)"


def provenance(
    record: SubjectRecord, head: dict[str, Any], weights: dict[str, Path], parts: dict[str, str], **more: Any
) -> dict[str, Any]:
    """The record that VideoWriter stores.

    head: identity of the head model ({"name", "sha256"}); weights: role -> weight file, stored by its sha256 and by its
    md5, under which DVC's locks have it;
    parts: role -> part that filled it, stand-ins named; more: what else this render should say (driving sound, seconds
    that were trained on, ...).  No time of day: the same inputs give the same file.
    """
    return {
        "synthetic": True,
        "tool": "erlnet",
        "version": tool_version(),
        "subject": record.id,
        "source": {"name": record.source.name, "sha256": record.source.sha256},
        "consent": {"statement": record.consent.statement, "recorded": record.consent.recorded},
        "forced_past": record.forced,
        "head": head,
        "weights": {role: sha256_of(path) for role, path in weights.items()},
        "weights_md5": {role: _md5_of(path) for role, path in weights.items()},
        "parts": parts,
        **more,
    }


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
