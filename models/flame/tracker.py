"""From the landmarks of a clip to the head model's parameters: identity, focal length, every frame.

Landmarks in, parameters out; no pictures are looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.flame.head import FlameHead
from models.flame.identity_fit import fit_identity
from models.flame.initial_pose import InitialGuess, initial_pose, initial_pose_without_depth
from models.flame.landmark_fit import FramePrior, Observations, jaw_share, landmark_weights, range_width
from models.flame.landmark_model import EXPRESSION, EYES, JAW, POSE_SIZE, LandmarkModel
from models.flame.sequence_fit import Smoothness, fit_sequence
from models.flame.stabilise import hold_resting
from models.landmarks.layouts import LandmarkLayout, layout_of, pair_distance

BLIND = 1e-3
"""Radians: standard deviation of the gaze where no iris is seen; left free, the eyes would turn to move the lids."""
SECOND_PASS = 5
"""Most steps of the fit with the resting head held, which begins next to its end."""
NEARLY, DONE = 5e-3, 1e-3
"""Gain of a step as a share of the cost with which a fit ends: one that is gone on with, and the last one."""


@dataclass(frozen=True)
class TrackerSettings:
    """See tasks.track.TrackParams.

    shape_precision: prior precision of identity coefficients; focal_spread: standard deviation of log focal length.
    stabilise: fit once more with the resting head held (models/flame/stabilise.py).
    """

    identity_frames: int = 32
    smoothing: float = 1.0
    iterations: int = 10
    worst_error: float = 0.06
    longest_gap: int = 8
    stabilise: bool = True
    shape_precision: float = 10.0
    focal_spread: float = 0.5
    workers: int = 2


@dataclass
class Track:
    """Result for N frames.

    parameters float64 [N, 15 + E] (layout of landmark_model; NaN: not tracked); shape [S]; focal in pixels;
    error [N]: RMS distance in pixels between the points on the skin and the model's (NaN where no face was seen);
    seen bool [N]: a face was found and fitted well; points [N, L, 2]: the model's landmarks in the picture.
    """

    parameters: np.ndarray
    shape: np.ndarray
    focal: float
    error: np.ndarray
    seen: np.ndarray
    points: np.ndarray


def face_width(points: np.ndarray) -> float:
    """Median distance in pixels between the face's left and right end over the frames of landmarks [N, L, >= 2]."""
    return pair_distance(points, layout_of(points).face_width)


def track_landmarks(
    head: FlameHead,
    mesh: np.ndarray,
    expected_focal: float,
    size: float,
    settings: TrackerSettings | None = None,
    progress: Callable[[int, float], None] | None = None,
    guess: InitialGuess | None = None,
) -> Track:
    """Fit ``head`` to landmarks [N, 478 or 68, 3] (pixels; NaN rows: no face) of N consecutive frames.

    The set of landmarks is told by its number of points (models/landmarks/layouts.py); without irises in it, eyes look
    ahead.  guess: where to start from, in place of a pose from the landmarks and a relaxed face.
    Raises ValueError where no frame has a face.
    """
    settings = settings or TrackerSettings()
    layout = layout_of(mesh)
    found = np.isfinite(mesh).all((1, 2))
    if not found.any():
        raise ValueError("no frame has a face")
    model = LandmarkModel.of(head, head.embeddings[layout.name])
    prior = FramePrior.of(head.expression_range, torch.float64)
    if not layout.irises:
        prior.precision[EYES] = BLIND**-2
    weight = landmark_weights(
        {str(i): (torch.from_numpy(p), w) for i, (p, w) in enumerate(layout.trust)}, mesh.shape[1]
    )
    width = face_width(mesh)

    start = _start(model, layout, mesh, found, expected_focal, size, guess)
    chosen = spread_frames(start.numpy(), mesh, found, settings.identity_frames)
    observed = Observations(_uv(mesh[chosen]), weight, width, expected_focal, size)
    shape = None if guess is None else guess.shape
    precision = settings.shape_precision * layout.shape_precision
    identity = fit_identity(model, start[chosen], observed, prior, settings.focal_spread, precision, shape=shape)
    jaw_first = prior.jaw_first(head.expression_names)

    personal = model.personal(identity.shape, torch.float32)
    exact = model.personal(identity.shape)
    jaw_apart = prior.with_jaw_share(jaw_share(exact, weight, head.expression_names))
    start = _start(exact, layout, mesh, found, identity.focal, size, guess)
    if guess is None:
        start[:, EXPRESSION] = identity.parameters[:, EXPRESSION].mean(0)
    ties = smoothness(head, settings.smoothing)
    parameters = start.clone()
    seen = found.copy()
    points = np.full((len(mesh), mesh.shape[1], 2), np.nan)
    for _ in range(2):
        for begin, end in segments(seen, settings.longest_gap):
            rows = slice(begin, end)
            shown = np.where(seen[rows, None, None], mesh[rows], np.nan)
            observed = Observations(_uv(shown).float(), weight.float(), width, identity.focal, size)
            parameters[rows] = fit_sequence(
                personal,
                parameters[rows],
                observed,
                jaw_first,
                ties,
                settings.iterations,
                NEARLY,
                progress,
                settings.workers,
            )
            held = hold_resting(ties, exact, parameters[rows]) if settings.stabilise else ties
            steps = min(settings.iterations, SECOND_PASS)
            kept = jaw_apart.with_jaw(parameters[rows])
            parameters[rows] = fit_sequence(
                personal, parameters[rows], observed, kept, held, steps, DONE, workers=settings.workers
            )
            for part in range(begin, end, 256):
                piece = slice(part, min(part + 256, end))
                points[piece] = exact.project(parameters[piece], identity.focal, size).numpy()
        error = np.sqrt(np.square(points - mesh[..., :2])[:, layout.surface].sum(-1).mean(-1))
        bad = seen & ~(error <= settings.worst_error * width)
        if not bad.any():
            break
        seen &= ~bad
        if not seen.any():
            break
    tracked = np.zeros(len(mesh), bool)
    for begin, end in segments(seen, settings.longest_gap):
        tracked[begin:end] = True
    parameters[torch.from_numpy(~tracked)] = torch.nan
    points[~tracked] = np.nan
    return Track(parameters.numpy(), identity.shape.numpy(), identity.focal, error, seen, points)


def segments(seen: np.ndarray, longest_gap: int) -> list[tuple[int, int]]:
    """Stretches (begin, end) of frames that start and end with a seen face and hold no longer gap than allowed."""
    index = np.flatnonzero(seen)
    if not len(index):
        return []
    breaks = np.flatnonzero(np.diff(index) > longest_gap + 1)
    begins = index[np.concatenate([[0], breaks + 1])]
    ends = index[np.concatenate([breaks, [len(index) - 1]])] + 1
    return [(int(b), int(e)) for b, e in zip(begins, ends, strict=True)]


def spread_frames(start: np.ndarray, mesh: np.ndarray, found: np.ndarray, count: int) -> np.ndarray:
    """Up to ``count`` found frames that differ most in head rotation and mouth opening (farthest-point sampling)."""
    index = np.flatnonzero(found)
    upper, lower = layout_of(mesh).inner_lips
    opening = np.linalg.norm(mesh[index, upper, :2] - mesh[index, lower, :2], axis=1)
    features = np.concatenate([start[index, :3], opening[:, None]], 1)
    features = (features - features.mean(0)) / np.maximum(features.std(0), 1e-9)
    chosen = [int(np.square(features).sum(1).argmin())]
    distance = np.square(features - features[chosen[0]]).sum(1)
    while len(chosen) < min(count, len(index)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.square(features - features[chosen[-1]]).sum(1))
    return index[np.unique(chosen)]


def smoothness(head: FlameHead, strength: float) -> Smoothness:
    """Standard deviations of parameter changes from frame to frame at 25 frames a second, over sqrt(strength).

    Heads have inertia: their acceleration is small (the second difference).  Lids close within two frames: they are
    hardly tied.  Lips and jaw are fast: tied by the first difference, loosely.
    """
    if strength <= 0:
        free = torch.full((POSE_SIZE + head.expression_size,), torch.inf, dtype=torch.float64)
        return Smoothness(free, free)
    first = torch.full((POSE_SIZE + head.expression_size,), torch.inf, dtype=torch.float64)
    second = first.clone()
    second[0:3] = 0.006  # radians a frame²
    second[3:6] = torch.tensor([0.0008, 0.0008, 0.0015])  # metres a frame²
    first[5] = 0.004  # depth is what a face shows least
    first[JAW] = torch.tensor([0.06, 0.01, 0.01], dtype=torch.float64)
    second[JAW] = torch.tensor([0.08, 0.01, 0.01], dtype=torch.float64)
    first[EYES] = 0.08
    ranges = range_width(head.expression_range).double()
    first[EXPRESSION] = 0.12 * ranges
    second[EXPRESSION] = 0.25 * ranges
    for i, name in enumerate(head.expression_names):
        if "Blink" in name:
            first[POSE_SIZE + i], second[POSE_SIZE + i] = 0.4 * ranges[i], torch.inf
    return Smoothness(first / strength**0.5, second / strength**0.5)


def _uv(mesh: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(mesh[..., :2])).double()


def _start(
    model: LandmarkModel,
    layout: LandmarkLayout,
    mesh: np.ndarray,
    found: np.ndarray,
    focal: float,
    size: float,
    guess: InitialGuess | None,
) -> Tensor:
    """Parameters [N, P] to start from: the guess, else a closed-form pose and a relaxed face; linear in time where
    nothing is known."""
    surface = layout.surface
    pose = initial_pose if layout.depth else initial_pose_without_depth
    rotation, translation, _ = pose(model.rest[surface], model.joints[0], mesh[:, surface], focal, size)
    x = torch.zeros(len(mesh), POSE_SIZE + model.expression_size, dtype=torch.float64)
    x[:, :6] = torch.cat([rotation, translation], 1)
    x[:, EXPRESSION] = 0.05
    if guess is not None:
        told = guess.parameters(focal).double()
        x = torch.where(torch.isfinite(told).all(1)[:, None], told, x)
    time, known = np.arange(len(mesh)), np.flatnonzero(found)
    for column in range(x.shape[1]):
        x[:, column] = torch.from_numpy(np.interp(time, known, x[known, column].numpy()))
    return x
