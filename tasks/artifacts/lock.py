"""``dvc.lock``: what every stage was last run with, by content.  DVC writes it; here it is only read.

A lock is the pipeline's memory: command, parameter values, and the md5 of every code file, input and output.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tasks.errors import DamagedArtifact

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a lock has a thousand lines; libyaml is ten times faster


@dataclass(frozen=True)
class File:
    """path: as DVC has it, relative to the stage's working directory.  md5 ends in ``.dir`` for a folder."""

    path: str
    md5: str
    size: int


@dataclass(frozen=True)
class StageLock:
    """One stage as it was last run.  deps, outs: by path.  params: file -> key -> value, keys dotted as in DVC."""

    name: str
    cmd: str
    deps: dict[str, File] = field(default_factory=dict)
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    outs: dict[str, File] = field(default_factory=dict)


def read_lock(path: Path) -> dict[str, StageLock]:
    """The stages of a lock by name; empty where there is no lock yet.  Raises DamagedArtifact."""
    try:
        return parse_lock(path.read_bytes(), path)
    except FileNotFoundError:
        return {}


def parse_lock(text: bytes, path: Path) -> dict[str, StageLock]:
    """The stages of a lock that lies elsewhere than in a file, say in git's history; ``path`` names it in errors."""
    try:
        stages = (yaml.load(text, Loader=_Loader) or {}).get("stages") or {}  # noqa: S506 (a safe loader)
        return {name: _stage(name, entry) for name, entry in stages.items()}
    except _DAMAGE as error:
        raise DamagedArtifact(path, _first_line(error)) from error


def read_added(path: Path) -> list[File]:
    """What a ``.dvc`` file tracks, as far as its content is known.  Raises DamagedArtifact."""
    return parse_added(path.read_bytes(), path)


def parse_added(text: bytes, path: Path) -> list[File]:
    """As ``parse_lock``, for a ``.dvc`` file."""
    try:
        entries = yaml.load(text, Loader=_Loader)["outs"]  # noqa: S506 (a safe loader)
        return [_file(entry) for entry in entries if entry.get("md5")]
    except _DAMAGE as error:
        raise DamagedArtifact(path, _first_line(error)) from error


_DAMAGE = (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError, ValueError)


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]


def _stage(name: str, entry: dict[str, Any]) -> StageLock:
    return StageLock(
        name,
        str(entry["cmd"]),
        {file.path: file for file in map(_file, entry.get("deps") or [])},
        {str(file): dict(values) for file, values in (entry.get("params") or {}).items()},
        {file.path: file for file in map(_file, entry.get("outs") or [])},
    )


def _file(entry: dict[str, Any]) -> File:
    return File(str(entry["path"]), str(entry.get("md5", "")), int(entry.get("size", 0)))
