"""Held-out figures of an ADF beside the baselines that anyone should beat: mean motion and ridge regression."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.adf.contrastive import agreement_by_lag
from models.adf.geometry import lip_errors, mouth_opening, upper_face_motion
from models.adf.network import Motion
from models.adf.skip import ridge_regression
from models.adf.speech import context_windows
from models.flame.head import FlameHead
from tasks.artifacts.adf import TrainedAdf
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.speech import SpeechTrack
from tasks.motion import spoken_rows, to_motion
from tasks.speaker import Speaker
from tasks.split import train_length

RIDGE_RADIUS = 7
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
SYNC_WINDOW = 50  # frames: 2 s
SYNC_REACH = 15
NOT_MEASURED = "not measured: the held-out part is too short"


def evaluate(
    trained: TrainedAdf, sequence: FlameSequence, speech: SpeechTrack, head: FlameHead, facts: dict[str, float]
) -> dict[str, Any]:
    """Figures on the usable held-out frames.

    opening_correlation: Pearson correlation over time of the distance between the inner lips' middles (mesh points
    13 and 14 on the head's surface), generated from held-out speech against tracked.  lip_error_mm: mean distance of
    lip vertices, head held still; lip_max_error_mm: largest lip vertex error of a frame, mean over frames (LVE).
    dynamics: standard deviation of the opening over the true one; speed: the same of its frame differences;
    brow_dynamics: the same of brow positions; upper_face_difference_mm: how far the two standard deviations are apart
    (the core of FDD, on the brows).  head_spread: standard deviation of the head's rotation (global + neck,
    the three axes' squares summed) over the true one; head_speed: root mean square of its frame differences over the
    true one.  Head motion is sampled, not foretold: these are figures of its distribution.
    """
    first = train_length(len(sequence))
    rows = spoken_rows(sequence, speech)
    good = np.flatnonzero((rows >= 0) & sequence.usable)
    train, test = good[good < first], good[good >= first]
    report: dict[str, Any] = {"training": facts, "frames": {"train": len(train), "test": len(test)}}
    if len(test) < 8:
        return report | {"held_out": NOT_MEASURED}
    shape = torch.tensor(sequence.shape)
    truth = to_motion(sequence, test)
    heard = _slice(speech, rows[first], rows[test[-1]] + 1) if rows[first] >= 0 else speech
    said = Speaker(trained).speak(heard)
    at = torch.from_numpy(rows[test] - np.searchsorted(speech.frame, heard.frame[0]))
    spoken = to_motion(said, at.numpy())
    report["parts"] = said.parts
    candidates = {"adf": spoken} | _baselines(trained, sequence, speech, rows, train, test)
    report["held_out"] = {name: motion_figures(head, shape, motion, truth) for name, motion in candidates.items()}
    report["spaces"] = _spaces(trained, head, shape, truth)
    report["sync"] = _sync(trained, speech, rows[test], truth)
    return report


def _slice(speech: SpeechTrack, start: int, stop: int) -> SpeechTrack:
    return replace(
        speech,
        frame=speech.frame[start:stop],
        features=speech.features[start:stop],
        energy=speech.energy[start:stop],
    )


def _baselines(
    trained: TrainedAdf,
    sequence: FlameSequence,
    speech: SpeechTrack,
    rows: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
) -> dict[str, Motion]:
    """Mean motion and ridge regression on +-7 frames of the same features for the test rows.

    The ridge is the one with the least error of the expression in five-fold cross-validation over the training part.
    """
    network = trained.network
    with torch.no_grad():
        heard = network.front(torch.tensor(speech.features), torch.tensor(speech.energy))
    windows = context_windows(heard, RIDGE_RADIUS)
    known = to_motion(sequence, train)
    x, z = windows[rows[train]], network.expression_basis(known.expression)
    errors = []
    for ridge in RIDGES:
        total = 0.0
        for fold in np.array_split(np.arange(len(x)), 5):
            rest = np.setdiff1d(np.arange(len(x)), np.arange(fold[0] - RIDGE_RADIUS, fold[-1] + RIDGE_RADIUS + 1))
            weights, bias = ridge_regression(x[rest], z[rest], ridge)
            total += float((x[fold] @ weights + bias - z[fold]).square().sum())
        errors.append(total)
    both = torch.cat([known.expression, known.pose], 1)
    weights, bias = ridge_regression(x, both, RIDGES[int(np.argmin(errors))])
    widths = [known.expression.shape[1], known.pose.shape[1]]
    mean = both.mean(0).expand(len(test), -1).split(widths, 1)
    ridge = (windows[rows[test]] @ weights + bias).split(widths, 1)
    return {"mean_motion": Motion(*mean), "ridge_regression": Motion(*ridge)}


def motion_figures(head: FlameHead, shape: Tensor, motion: Motion, truth: Motion) -> dict[str, Any]:
    """The held-out figures of ``evaluate`` for one motion against the true one, frame by frame."""
    made, real = (mouth_opening(head, shape, branch) for branch in (motion.expression, truth.expression))
    brows, true_brows = (upper_face_motion(head, shape, branch) for branch in (motion.expression, truth.expression))
    mean, largest = lip_errors(head, shape, motion.expression, truth.expression)
    (spread, speed), (true_spread, true_speed) = head_motion(motion.pose), head_motion(truth.pose)
    moving = float(made.std()) > 1e-4 and float(real.std()) > 1e-4
    correlation = float(torch.corrcoef(torch.stack([made, real]))[0, 1]) if moving else "undefined: no motion"
    return {
        "opening_correlation": correlation,
        "lip_error_mm": mean,
        "lip_max_error_mm": largest,
        "opening_difference_mm": float((made - real).abs().mean()),
        "dynamics": _ratio(made.std(), real.std()),
        "speed": _ratio(made.diff().std(), real.diff().std()),
        "brow_dynamics": _ratio(brows, true_brows),
        "upper_face_difference_mm": abs(brows - true_brows),
        "head_spread": _ratio(spread, true_spread),
        "head_speed": _ratio(speed, true_speed),
    }


def head_motion(pose: Tensor) -> tuple[float, float]:
    """Spread (root mean square about the mean) and speed (root mean square change from frame to frame) of the head's
    rotation, radians, in the pose branch [N, 9]."""
    turned = _turn(pose)
    lengths = (x.square().sum(-1).mean().sqrt() for x in (turned - turned.mean(0), turned.diff(dim=0)))
    spread, speed = map(float, lengths)
    return spread, speed


def _turn(pose: Tensor) -> Tensor:
    """Rotation [N, 3] of the head, radians, of the pose branch [N, 9]."""
    return pose[:, :3] + pose[:, 3:6]


def _ratio(made: Tensor | float, real: Tensor | float) -> float | str:
    return float(made) / float(real) if float(real) > 1e-9 else "undefined: the true one does not move"


@torch.no_grad()
def _spaces(trained: TrainedAdf, head: FlameHead, shape: Tensor, truth: Motion) -> dict[str, float]:
    """Reconstruction errors of the two VQ-VAEs on the held-out motion."""
    network = trained.network
    expression = network.expression_basis(truth.expression)[None]
    rebuilt = network.to_flame(network.expression_space(expression)[0][0])
    pose = network.pose_basis.inverse(network.pose_space(network.pose_basis(truth.pose)[None])[0][0])
    turn = _turn(pose - truth.pose).norm(dim=-1)
    return {
        "expression_lip_error_mm": lip_errors(head, shape, rebuilt, truth.expression)[0],
        "pose_rotation_error_deg": float(torch.rad2deg(turn).mean()),
        "pose_translation_error_mm": float(1000 * (pose - truth.pose)[:, 6:].norm(dim=-1).mean()),
    }


@torch.no_grad()
def _sync(trained: TrainedAdf, speech: SpeechTrack, rows: np.ndarray, truth: Motion) -> dict[str, float] | str:
    """Does the trained speech-motion embedding know which sound belongs to held-out motion?

    right_over_shifted: share of 2 s windows and shifts of 8 to 15 frames where the true sound agrees better;
    offset_within_1: share of windows whose best offset lies within one frame of zero.
    """
    if len(rows) < SYNC_WINDOW + SYNC_REACH:
        return NOT_MEASURED
    network = trained.network
    heard = network.front(torch.tensor(speech.features[rows]), torch.tensor(speech.energy[rows]))
    sound = network.embedding.embed_speech(heard[None])[0]
    motion = network.embedding.embed_motion(network.expression_basis(truth.expression)[None])[0]
    better, near = [], []
    for start in range(0, len(rows) - SYNC_WINDOW + 1, 5):
        piece = slice(start, start + SYNC_WINDOW)
        scores = agreement_by_lag(sound[piece], motion[piece], SYNC_REACH)
        far = torch.cat([scores[: SYNC_REACH - 7], scores[SYNC_REACH + 8 :]])
        better.append(float((scores[SYNC_REACH] > far).float().mean()))
        near.append(float(abs(int(scores.argmax()) - SYNC_REACH) <= 1))
    return {
        "right_over_shifted": float(np.mean(better)),
        "offset_within_1": float(np.mean(near)),
        "windows": float(len(near)),
    }
