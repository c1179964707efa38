"""``evaluation.parquet``: the figures of every held-out frame, one row a frame, one list column a method.

Wide, so that the row rule of all tables (one row a frame, consecutive ids) holds: column ``<method>`` holds the
figures in the order of the header's ``figures``.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.artifacts.tables import read_table, vectors, write_table
from tasks.errors import DamagedArtifact

FORMAT = "erlnet.evaluation/1"


@dataclass
class Evaluation:
    """frame int64 [N], consecutive ids of the crop's frames; figures: names of the K figures;
    methods: method -> float32 [N, K], NaN where a figure was not measured on that frame."""

    frame: np.ndarray
    figures: tuple[str, ...]
    methods: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, method: str, figure: str) -> np.ndarray:
        """float32 [N].  Raises KeyError for an unknown method, ValueError for an unknown figure."""
        return self.methods[method][:, self.figures.index(figure)]


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write atomically.  Raises ValueError where an array has not the shape [frames, figures]."""
    problem = _inconsistency(evaluation)
    if problem:
        raise ValueError(problem)
    columns = {"frame": evaluation.frame.astype(np.int64)}
    columns |= {name: values.astype(np.float32) for name, values in evaluation.methods.items()}
    header = {"figures": list(evaluation.figures), "methods": list(evaluation.methods)}
    write_table(path, FORMAT, columns, header)


def read_evaluation(path: Path) -> Evaluation:
    """Raises MissingInput or DamagedArtifact."""
    table, header = read_table(path, FORMAT, ["frame"], "the evaluate stage")
    missing = [name for name in header.get("methods", []) if name not in table.column_names]
    if missing or "methods" not in header or "figures" not in header:
        raise DamagedArtifact(
            Path(path), f"column {missing[0]!r} is missing" if missing else "the header is incomplete"
        )
    methods = {name: vectors(table, name) for name in header["methods"]}
    evaluation = Evaluation(vectors(table, "frame"), tuple(header["figures"]), methods)
    problem = _inconsistency(evaluation)
    if problem:
        raise DamagedArtifact(Path(path), problem)
    return evaluation


def _inconsistency(evaluation: Evaluation) -> str | None:
    expected = (len(evaluation.frame), len(evaluation.figures))
    for name, values in evaluation.methods.items():
        if name == "frame" or values.shape != expected:
            return f"{name} has shape {values.shape}, expected {expected}"
    return None
