"""The report's section on the track: verdict, figures with their limits, what was not seen, curves, the overlay."""

from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup
from scipy.spatial.transform import Rotation

from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.head import read_head
from tasks.artifacts.landmarks import LandmarkTrack
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.overlay import Overlay
from tasks.reporting.curves import curve_svg
from tasks.reporting.pictures import grid, jpeg_uri, pick_frames, spread_rows

SPANS = 8  # gaps that are named one by one
SETS = {"mesh": "mediapipe's face mesh, 468 points on the skin", "ibug68": "iBUG's 68 points"}


def track_quality(metrics: dict[str, Any], flame: FlameSequence) -> dict[str, Any]:
    """What the template shows of track.json: ``verdict`` (class, sentence), ``rows`` of the table, ``gaps`` in words.

    A row: name, figures (median / 95th percentile), the limits up to which the verdict is good or fair (empty: none).
    """
    limits = metrics["verdict_limits"]

    def limit(key: str) -> list[str]:
        return [f"{limits[name][key]:g}" for name in ("good", "fair")]

    def pair(key: str, unit: str) -> str:
        return " / ".join(f"{metrics[key][part]:.2f}" for part in ("median", "p95")) + f" {unit}"

    def judged() -> list[str]:
        return [" / ".join(values) + " %" for values in zip(limit("median"), limit("p95"), strict=True)]

    rows = [
        ["Landmark error, of the face width", pair("mesh_error_percent", "%"), *judged()],
        ["Landmark error, of the eye distance", pair("mesh_error_eye_percent", "%"), "", ""],
        [f"Landmark error, at {flame.image_size} px", pair("mesh_error_px", "px"), "", ""],
    ]
    for part in ("lips", "eyes", "iris"):
        if f"{part}_error_percent" in metrics:
            rows.append([f"… {part}, of the face width", pair(f"{part}_error_percent", "%"), "", ""])
    jitter = metrics["jitter_percent"]
    rows.append(["Jitter of the detector, of the face width", _percent(jitter["detector"]), "", ""])
    rows.append(["Jitter of the fitted head", _percent(jitter["model"]), "", ""])
    share = [f"{100 * limits[name]['coverage']:g} %" for name in ("good", "fair")]
    rows.append(["Frames in which the face was seen", f"{100 * metrics['coverage']:.1f} %", *share])
    word, _, reason = metrics["verdict"].partition(": ")
    sentence = {
        "good": "The track is good: error and coverage are within the limits below.",
        "fair": f"The track is fair: {reason}.",
        "poor": f"The track is poor: {reason}. Look at the frames below before you use it.",
    }[word]
    return {
        "verdict": (word, sentence),
        "rows": rows,
        "landmarks": SETS.get(metrics["landmarks"], metrics["landmarks"]),
        "gaps": _gaps(metrics, flame),
        "focal": f"{flame.focal:.0f} px at {flame.image_size} px",
    }


def _percent(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.2f} %"


def _gaps(metrics: dict[str, Any], flame: FlameSequence) -> str:
    gaps = metrics["gaps"]
    if not gaps["number"]:
        return "The face was seen in every frame."
    spans = _unseen(flame)
    named = ", ".join(
        (f"{a} to {b}" if a != b else f"{a}") + (" (filled in)" if filled else " (left empty)")
        for a, b, filled in spans[:SPANS]
    )
    more = f" and {len(spans) - SPANS} more" if len(spans) > SPANS else ""
    unseen = int((~flame.tracked).sum())
    return (
        f"Not seen in {unseen} of {len(flame)} frames; gaps: {gaps['number']}, the longest {gaps['longest']} frames. "
        f"Short gaps are interpolated and marked ({gaps['filled']}, {metrics['filled_frames']} frames in all); longer "
        f"ones stay empty and split the sequence ({gaps['split']}). Frames {named}{more}."
    )


def _unseen(flame: FlameSequence) -> list[tuple[int, int, bool]]:
    """First and last frame of every run of frames that were not seen, and whether it was filled in."""
    state = np.where(flame.tracked, 0, np.where(flame.usable, 1, 2))
    edges = [0, *(np.flatnonzero(np.diff(state)) + 1).tolist(), len(state)]
    return [
        (int(flame.frame[a]), int(flame.frame[b - 1]), bool(state[a] == 1)) for a, b in pairwise(edges) if state[a] != 0
    ]


def track_sheet(folder: SubjectFolder, flame: FlameSequence, landmarks: LandmarkTrack) -> str:
    """The overlay of eight frames: evenly spread ones, the one with the largest error, and one of each kind of gap."""
    rows = shown_rows(flame)
    pictures = pick_frames(folder.video, rows)
    overlay = Overlay(read_head(AssetFolder.default().open_head), flame, landmarks)
    return jpeg_uri(grid([overlay.draw(pictures[row], row) for row in rows], 4, 380))


def shown_rows(flame: FlameSequence, count: int = 8) -> list[int]:
    """Rows of at most ``count`` frames for the sheet, in order."""
    filled = np.flatnonzero(flame.usable & ~flame.tracked)
    empty = np.flatnonzero(~flame.usable)
    rows = {int(kind[len(kind) // 2]) for kind in (filled, empty) if len(kind)}
    error = np.where(flame.tracked & np.isfinite(flame.landmark_error), flame.landmark_error, -np.inf)
    if np.isfinite(error).any():
        rows.add(int(error.argmax()))
    tracked = np.flatnonzero(flame.tracked)
    for row in spread_rows(len(tracked), count - len(rows)):
        rows.add(int(tracked[row]))
    return sorted(rows)


def track_curves(flame: FlameSequence, first: int) -> list[tuple[str, Markup]]:
    """Landmark error and head rotation over time; the frames from row ``first`` are marked as held out."""
    held_out = (float(flame.t[first]), float(flame.t[-1]), "held out")
    degrees = np.full((len(flame), 3), np.nan)
    known = flame.usable
    if known.any():
        skull = Rotation.from_rotvec(flame.global_rotation[known]) * Rotation.from_rotvec(flame.neck_rotation[known])
        degrees[known] = skull.as_euler("xyz", degrees=True)
    turned = dict(zip(("nod", "turn", "tilt"), degrees.T, strict=True))
    error = {"error": flame.landmark_error}
    return [
        ("Landmark error", curve_svg("track-error", flame.t, error, "seconds", "px", held_out)),
        ("Head rotation", curve_svg("track-pose", flame.t, turned, "seconds", "degrees", held_out)),
    ]
