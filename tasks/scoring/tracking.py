"""How good a track is, in numbers that a person can compare from clip to clip."""

from typing import Any

import numpy as np

from models.flame.tracker import Track, face_width
from models.landmarks import parts
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.landmarks import LandmarkTrack

GOOD = {"median": 1.0, "p95": 2.0, "coverage": 0.95}
USABLE = {"median": 2.0, "p95": 4.0, "coverage": 0.7}


def quality(landmarks: LandmarkTrack, track: Track, sequence: FlameSequence) -> dict[str, Any]:
    """Metrics of one track.

    Errors are distances between detected mesh points and the fitted model's, over points and seen frames, in pixels
    and in % of the face width (distance between the ears' sides of the mesh).  Jitter is the RMS second difference of
    the points from frame to frame in % of the face width, median over frames: of the raw mesh and of the model.
    """
    width = face_width(landmarks.points)
    distance = np.linalg.norm(landmarks.points[..., :2] - track.points, axis=-1)[track.seen]
    groups = {
        "mesh": slice(0, 468),
        "lips": parts.LIP_POINTS,
        "eyes": np.concatenate([parts.LEFT_EYE_POINTS, parts.RIGHT_EYE_POINTS]),
        "iris": np.concatenate([parts.LEFT_IRIS_POINTS, parts.RIGHT_IRIS_POINTS]),
    }
    metrics: dict[str, Any] = {
        f"{name}_error_percent": _summary(100 * distance[:, index] / width) for name, index in groups.items()
    }
    metrics["mesh_error_px"] = _summary(distance[:, :468])
    metrics["jitter_percent"] = {
        "detector": _jitter(landmarks.points[:, :468, :2], track.seen, width),
        "model": _jitter(track.points[:, :468], track.seen, width),
    }
    lengths = gaps(track.seen)
    metrics["coverage"] = round(float(track.seen.mean()), 4)
    metrics["gaps"] = {"number": len(lengths), "longest": max(lengths, default=0)}
    metrics["filled_frames"] = int((sequence.usable & ~track.seen).sum())
    metrics["focal_px"] = round(track.focal, 2)
    metrics["focal_per_image_side"] = round(track.focal / sequence.image_size, 3)
    metrics["face_width_px"] = round(width, 2)
    metrics["identity_norm"] = round(float(np.linalg.norm(track.shape)), 3)
    metrics["frames"] = len(sequence)
    metrics["parts"] = dict(sequence.parts)
    metrics["verdict"] = verdict(metrics)
    return metrics


def verdict(metrics: dict[str, Any]) -> str:
    """'good', 'usable' or 'poor', with the first reason against a better one."""
    worse: list[str] = []
    for name, limits in (("good", GOOD), ("usable", USABLE)):
        reasons = [
            f"{key} error {metrics['mesh_error_percent'][key]} % above {limits[key]} %"
            for key in ("median", "p95")
            if metrics["mesh_error_percent"][key] > limits[key]
        ]
        if metrics["coverage"] < limits["coverage"]:
            reasons.append(f"coverage {metrics['coverage']} below {limits['coverage']}")
        if not reasons:
            return name if name == "good" else f"usable: {worse[0]}"
        worse = reasons
    return f"poor: {worse[0]}"


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
