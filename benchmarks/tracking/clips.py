"""Real clips: how well the fitted head lies on the detector's mesh, how calm it is, and what is marked as not seen.

There is no truth here: errors are distances between the mesh that the detector reports and the fitted model's.  A clip
that the stage refuses, because too few frames show a face, is tracked once more without that limit, to show what is
marked in it.
"""

import contextlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tasks import crop, track
from tasks.artifacts.flame import read_flame
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.metrics import read_metrics
from tasks.errors import BadInput, TaskError
from tasks.landmark_source import Source


def measure(clip: Path, size: int, scratch: Path, landmarks: Source = "mesh") -> dict[str, Any] | str:
    """Crop and track one clip; the track's metrics, or the line with which it was refused."""
    folder = SubjectFolder(scratch / clip.stem)
    folder.root.mkdir(parents=True)
    folder.source.symlink_to(clip.resolve())
    refused = ""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stages report on stdout, which is the tables' here
            crop.run(folder, crop.CropParams(size=size))
            try:
                track.run(folder, track.TrackParams(landmarks=landmarks))
            except BadInput as error:
                refused = f"refused ({str(error).split(': ')[1]}); tracked anyway: "
                track.run(folder, track.TrackParams(minimum_coverage=0.0, landmarks=landmarks))
    except (TaskError, ValueError) as error:
        return str(error).replace(f"{scratch}/", "")
    sequence = read_flame(folder.flame)
    metrics = read_metrics(folder.track_metrics, "the track stage")
    return metrics | {
        "verdict": refused + metrics["verdict"],
        "empty": int((~sequence.usable).sum()),
        "marked": float((~sequence.tracked).mean()),
        "confidence": float(np.percentile(sequence.confidence[sequence.tracked], 1)),
        "spans": spans(sequence.tracked),
    }


def spans(tracked: np.ndarray) -> str:
    """Runs of tracked frames, "first to last" each; the number of runs where they are many."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], tracked.astype(int), [0]])))
    runs = edges.reshape(-1, 2)
    return ", ".join(f"{a} to {b - 1}" for a, b in runs) if len(runs) <= 4 else f"{len(runs)} runs"


COLUMNS = {
    "clip": "{name}",
    "frames": "{frames}",
    "mesh median, %": "{mesh_error_percent[median]:.2f}",
    "mesh p95, %": "{mesh_error_percent[p95]:.2f}",
    "lips median, %": "{lips_error_percent[median]:.2f}",
    "jitter, detector → model, %": "{jitter_percent[detector]} → {jitter_percent[model]}",
    "seen": "{coverage:.1%}",
    "seen frames": "{spans}",
    "marked as not seen": "{marked:.1%}",
    "gaps (longest)": "{gaps[number]} ({gaps[longest]})",
    "of them filled in, left empty": "{filled_frames}, {empty}",
    "confidence, p1 of seen": "{confidence:.2f}",
    "verdict": "{verdict}",
}


def table(rows: dict[str, dict[str, Any] | str]) -> str:
    """Markdown, one line a clip.  Errors and jitter in % of the face width."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for name, row in rows.items():
        if isinstance(row, str):
            lines.append(f"| {name} | not tracked: {row} |" + " |" * (len(COLUMNS) - 2))
            continue
        lines.append(f"| {' | '.join(cell.format(name=name, **row) for cell in COLUMNS.values())} |")
    return "\n".join(lines)
