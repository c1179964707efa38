"""``metrics.json`` and its relatives: flat-ish JSON that ``dvc metrics`` reads."""

import json
import math
from pathlib import Path
from typing import Any

from tasks.artifacts.atomic import write_text
from tasks.errors import DamagedArtifact, MissingInput


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """Write nested dicts of numbers and strings.  NaN is refused: a figure that was not measured is a string."""
    _refuse_nan(metrics, "")
    write_text(path, json.dumps(metrics, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_metrics(path: Path, made_by: str) -> dict[str, Any]:
    """Raises MissingInput or DamagedArtifact."""
    if not Path(path).exists():
        raise MissingInput(Path(path), made_by)
    try:
        metrics = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedArtifact(Path(path), str(error)) from error
    if not isinstance(metrics, dict):
        raise DamagedArtifact(Path(path), "not a JSON object")
    return metrics


def _refuse_nan(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_nan(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"metric {where} is {value}: write the string 'not measured' and say why")
