"""Stage parameters: documented dataclasses, filled from one profile of ``params.yaml``."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from tasks.artifacts.layout import repository_root
from tasks.errors import BadInput

T = TypeVar("T")


def read_profiles(path: Path | None = None) -> dict[str, Any]:
    """The profiles of ``params.yaml`` (at the repository root unless ``path`` is given)."""
    path = path or repository_root() / "params.yaml"
    try:
        profiles = yaml.safe_load(path.read_text(encoding="utf-8"))["profiles"]
    except FileNotFoundError:
        raise BadInput(f"{path} is missing: run inside a checkout of the project, or set ERLNET_ROOT to one") from None
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is not a parameter file with a 'profiles' section: {error}") from None
    if not isinstance(profiles, dict):
        raise BadInput(f"{path}: 'profiles' must map names to stages")
    return profiles


def load_shared(kind: type[T], section: str, path: Path | None = None) -> T:
    """Build the dataclass ``kind`` from the top-level ``section`` of params.yaml, which all subjects share.

    A section that is not there means defaults.  Raises BadInput for an unknown key or a value of the wrong type.
    """
    path = path or repository_root() / "params.yaml"
    read_profiles(path)  # complains where this is no parameter file at all
    values = yaml.safe_load(path.read_text(encoding="utf-8")).get(section) or {}
    return _fill(kind, values, section)


def load_params(
    kind: type[T], profile: str, stage: str, path: Path | None = None, changes: Mapping[str, Any] | None = None
) -> T:
    """Build the dataclass ``kind`` from ``profiles.<profile>.<stage>``; values left out keep their defaults.

    changes: values in place of the profile's.

    Raises BadInput for an unknown profile, an unknown key or a value of the wrong type.
    """
    assert is_dataclass(kind)
    profiles = read_profiles(path)
    if profile not in profiles:
        raise BadInput(f"profile {profile!r} is not in params.yaml: choose one of {', '.join(sorted(profiles))}")
    values = profiles[profile].get(stage) or {}
    if changes and isinstance(values, dict):
        values = {**values, **changes}
    return _fill(kind, values, f"profiles.{profile}.{stage}")


def _fill(kind: type[T], values: Any, where: str) -> T:
    stage = where.rsplit(".", 1)[-1]
    if not isinstance(values, dict):
        raise BadInput(f"params.yaml: {where} must map parameters to values")
    unknown = sorted(set(values) - {field.name for field in fields(kind)})  # type: ignore[arg-type]
    if unknown:
        raise BadInput(f"params.yaml: {where}.{unknown[0]} is not a parameter of the {stage} stage")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([where, *map(str, first["loc"])])
        raise BadInput(f"params.yaml: {where}: {first['msg']}") from None
