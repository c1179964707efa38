"""``adf_curve.csv``, ``nerf_curve.csv``: figures of a training run, one row a logged step; DVC plots read them too."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.artifacts.atomic import write_text
from tasks.errors import DamagedArtifact, MissingInput


def write_curve(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """Write rows of figures atomically; the first key of the first row is the abscissa.

    Columns are the keys of all rows in order of appearance; a figure that a row lacks stays empty.
    Raises ValueError where there is no row.
    """
    if not rows:
        raise ValueError(f"{path}: a curve needs at least one row")
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.7g}" for name, value in row.items()} for row in rows)
    write_text(path, out.getvalue())


def read_curve(path: Path, made_by: str) -> dict[str, np.ndarray]:
    """Columns by name, float64 [rows], in the file's order; empty cells are NaN.

    Raises MissingInput or DamagedArtifact.
    """
    if not Path(path).exists():
        raise MissingInput(Path(path), made_by)
    try:
        rows = list(csv.reader(Path(path).read_text(encoding="utf-8").splitlines()))
        names, cells = rows[0], rows[1:]
        if not cells or any(len(row) != len(names) for row in cells):
            raise ValueError("rows of unequal length, or none")
        values = np.array([[float(cell) if cell else np.nan for cell in row] for row in cells])
    except (ValueError, IndexError, csv.Error) as error:
        raise DamagedArtifact(Path(path), str(error)) from error
    return {name: values[:, index] for index, name in enumerate(names)}
