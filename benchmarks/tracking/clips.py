"""Real clips: how well the fitted head lies on the detector's mesh, how calm it is, and what is marked as not seen.

There is no truth here: errors are distances between the mesh that the detector reports and the fitted model's.
"""

import contextlib
import sys
from pathlib import Path
from typing import Any

from tasks import crop, track
from tasks.artifacts.flame import read_flame
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.metrics import read_metrics
from tasks.errors import TaskError

HOSTILE = ("face_then_no_face", "actress_gestures")
"""Clips in which the face leaves, turns away or is covered."""


def measure(clip: Path, size: int, scratch: Path) -> dict[str, Any] | str:
    """Crop and track one clip; the track's metrics, or the line with which it was refused."""
    folder = SubjectFolder(scratch / clip.stem)
    folder.root.mkdir(parents=True)
    folder.source.symlink_to(clip.resolve())
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stages report on stdout, which is the tables' here
            crop.run(folder, crop.CropParams(size=size))
            track.run(folder, track.TrackParams())
    except TaskError as error:
        return str(error).replace(str(scratch), "").lstrip("/")
    sequence = read_flame(folder.flame)
    empty = int((~sequence.usable).sum())
    return read_metrics(folder.track_metrics, "the track stage") | {"empty": empty}


def table(rows: dict[str, dict[str, Any] | str]) -> str:
    lines = [
        "| clip | frames | mesh median, % | mesh p95, % | lips median, % | jitter, detector → model, % | seen "
        "| gaps (longest) | filled in | left empty | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        if isinstance(row, str):
            lines.append(f"| {name} | refused: {row} |" + " |" * 9)
            continue
        mesh, lips, jitter = row["mesh_error_percent"], row["lips_error_percent"], row["jitter_percent"]
        lines.append(
            f"| {name} | {row['frames']} | {mesh['median']:.2f} | {mesh['p95']:.2f} | {lips['median']:.2f} "
            f"| {jitter['detector']} → {jitter['model']} | {100 * row['coverage']:.1f} % "
            f"| {row['gaps']['number']} ({row['gaps']['longest']}) | {row['filled_frames']} | {row['empty']} "
            f"| {row['verdict']} |"
        )
    return "\n".join(lines)
