"""How good a track is, in numbers that a person can compare from clip to clip."""

from typing import Any

import numpy as np

from models.flame.tracker import Track, face_width
from models.landmarks.layouts import pair_distance
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.landmarks import LandmarkTrack

LIMITS: dict[str, dict[str, float]] = {
    "good": {"median": 1.0, "p95": 2.0, "coverage": 0.95},
    "fair": {"median": 2.0, "p95": 4.0, "coverage": 0.7},
}
"""For each verdict the largest landmark error (median and 95th percentile, % of the face width) and the least share of
frames that were seen.  What misses the second row is poor."""


def quality(landmarks: LandmarkTrack, track: Track, sequence: FlameSequence) -> dict[str, Any]:
    """Metrics of one track.

    Errors are distances between detected landmarks and the fitted mesh's, over points and seen frames: in pixels, in %
    of the face width (``percent``: distance between the ends of the face at the ears) and in % of the eye distance
    (``eye_percent``: between the outer corners of the eyes); medians over the frames.  Jitter is the RMS second
    difference of the points from frame to frame in % of the face width, median over frames: of the raw landmarks and of
    the model.  A gap is a run of frames that were not seen: ``filled`` ones were interpolated, the others split the
    sequence (``split``: inside it; before the first and after the last seen frame there is nothing to split).
    """
    layout = landmarks.layout
    width = face_width(landmarks.points)
    eyes = pair_distance(landmarks.points, layout.eye_distance)
    distance = np.linalg.norm(landmarks.points[..., :2] - track.points, axis=-1)[track.seen]
    on_skin = distance[:, layout.surface]
    metrics: dict[str, Any] = {
        "landmarks": layout.name,
        "mesh_error_percent": _summary(100 * on_skin / width),
        "mesh_error_eye_percent": _summary(100 * on_skin / eyes),
        "mesh_error_px": _summary(on_skin),
    }
    for name, index in layout.groups.items():
        metrics[f"{name}_error_percent"] = _summary(100 * distance[:, index] / width)
    metrics["jitter_percent"] = {
        "detector": _jitter(landmarks.points[:, layout.surface, :2], track.seen, width),
        "model": _jitter(track.points[:, layout.surface], track.seen, width),
    }
    lengths = gaps(track.seen)
    filled = sequence.usable & ~track.seen
    inside = track.seen.copy()
    if inside.any():
        inside[np.argmax(inside) : len(inside) - np.argmax(inside[::-1])] = True
    metrics["coverage"] = round(float(track.seen.mean()), 4)
    metrics["gaps"] = {
        "number": len(lengths),
        "longest": max(lengths, default=0),
        "filled": len(gaps(~filled)),
        "split": len(gaps(~(inside & ~sequence.usable))),
    }
    metrics["filled_frames"] = int(filled.sum())
    metrics["focal_px"] = round(track.focal, 2)
    metrics["focal_per_image_side"] = round(track.focal / sequence.image_size, 3)
    metrics["face_width_px"] = round(width, 2)
    metrics["eye_distance_px"] = round(eyes, 2)
    metrics["identity_norm"] = round(float(np.linalg.norm(track.shape)), 3)
    metrics["frames"] = len(sequence)
    metrics["parts"] = dict(sequence.parts)
    metrics["verdict"] = verdict(metrics)
    metrics["verdict_limits"] = LIMITS
    return metrics


def verdict(metrics: dict[str, Any]) -> str:
    """'good', 'fair' or 'poor', with the first reason against a better one."""
    worse = ""
    for name, limits in LIMITS.items():
        reasons = [
            f"{key} error {metrics['mesh_error_percent'][key]} % of the face width is above {limits[key]:g} %"
            for key in ("median", "p95")
            if metrics["mesh_error_percent"][key] > limits[key]
        ]
        if metrics["coverage"] < limits["coverage"]:
            share, least = 100 * metrics["coverage"], 100 * limits["coverage"]
            reasons.append(f"a face was seen in {share:.3g} % of the frames, below {least:g} %")
        if not reasons:
            return f"{name}: {worse}" if worse else name
        worse = reasons[0]
    return f"poor: {worse}"


def gaps(seen: np.ndarray) -> list[int]:
    """Lengths of the runs of frames that were not seen."""
    edges = np.diff(np.concatenate([[0], (~seen).astype(int), [0]]))
    return (np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)).tolist()


def _summary(values: np.ndarray) -> dict[str, float]:
    return {"median": round(float(np.median(values)), 3), "p95": round(float(np.percentile(values, 95)), 3)}


def _jitter(points: np.ndarray, seen: np.ndarray, width: float) -> float | str:
    together = seen[:-2] & seen[1:-1] & seen[2:]
    if not together.any():
        return "not measured: no three seen frames in a row"
    second = np.diff(points, n=2, axis=0)[together]
    return round(float(np.median(np.sqrt(np.square(second).sum(-1).mean(-1)))) / width * 100, 4)
