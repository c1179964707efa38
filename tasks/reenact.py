"""Reenactment: a driving video in place of speech.

The driver's motion is tracked and taken over as difference from the driver's rest (models/flame/retarget.py):
expression, jaw, gaze and head motion are the driver's, resting face, resting pose and identity stay the subject's.
Head motion is held softly near what the subject's own recording showed: beyond it the portrait has nothing to show.
The sound is the driving video's.  It needs the subject's ADF (which holds a piece of the subject's own motion, from
which the rest is taken), the portrait and the head model, so that an exported avatar suffices.
"""

import math
from pathlib import Path

import numpy as np
import torch

from models.adf.network import Motion
from models.flame.retarget import (
    held,
    mean_rotation,
    reach,
    resting_rows,
    retarget_rotation,
    retarget_values,
    turns_from,
)
from tasks.artifacts.adf import TrainedAdf, read_adf
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.head import read_head
from tasks.avatar import Avatar
from tasks.errors import BadInput
from tasks.ingest.media import decode_sound
from tasks.motion import from_motion, to_motion
from tasks.performance import SOUND_RATE, Performance
from tasks.portrait import held_rows
from tasks.registry import sha256_of
from tasks.tracked_video import track_video

# How far head and neck turn from rest (radians) and the head shifts (metres), as far as the subject itself allows.
TURN = (math.radians(5), math.radians(25))
SHIFT = (0.01, 0.08)


def reenacted(avatar: Avatar, video: Path) -> Performance:
    """The subject doing what the person in ``video`` does.

    Raises BadInput where the video has no sound or no face, or its track belongs to another head model.
    """
    if not video.is_file():
        raise BadInput(f"--drive {video}: no such video file")
    sound = decode_sound(video, rate=SOUND_RATE)
    trained = read_adf(avatar.adf)
    driver = track_video(video, avatar.record.profile, avatar.head)
    if driver.head.get("sha256") != trained.head.get("sha256"):
        raise BadInput(
            f"--drive {video}: tracked here with the head model {driver.head.get('name')!r}, but the avatar was made "
            f"with {trained.head.get('name')!r} of another hash: use the same head model here"
        )
    bounds = read_head(avatar.head).expression_range.numpy()
    motion = retargeted(driver, trained, bounds)
    about = {"video": video.name, "sha256": sha256_of(video)}
    return Performance(motion, sound, about, {"frames_without_face": int((~driver.usable).sum())})


def retargeted(driver: FlameSequence, trained: TrainedAdf, bounds: np.ndarray) -> FlameSequence:
    """The driver's motion about the subject's rest.  bounds [E, 2]: of the expression.

    A row in which the driver was not seen holds the last one in which it was.
    """
    source = to_motion(driver, held_rows(driver.usable))
    (expression, pose), (own_expression, own_pose) = (_arrays(motion) for motion in (source, trained.style))
    rows, own_rows = (resting_rows(values[:, -9:-6]) for values in (expression, own_expression))
    face = retarget_values(expression, np.median(expression[rows], 0), np.median(own_expression[own_rows], 0))
    face[:, :-9] = face[:, :-9].clip(bounds[:, 0], bounds[:, 1])
    turns = []
    for part in (slice(0, 3), slice(3, 6)):
        rest, own_rest = mean_rotation(pose[:, part]), mean_rotation(own_pose[:, part])
        limit = reach(turns_from(own_pose[:, part], own_rest), *TURN)
        turns.append(retarget_rotation(pose[:, part], rest, own_rest, limit))
    rest, own_rest = np.median(pose[:, 6:], 0), np.median(own_pose[:, 6:], 0)
    place = held(pose[:, 6:] - rest, reach(own_pose[:, 6:] - own_rest, *SHIFT)) + own_rest
    return from_motion(
        Motion(torch.from_numpy(face), torch.from_numpy(np.concatenate([*turns, place], 1))),
        np.arange(len(driver)),
        trained.shape,
        trained.focal,
        trained.image_size,
        driver.fps,
        trained.head,
        {**driver.parts, "motion": "reenacted: a driving video's track about the subject's own rest"},
    )


def _arrays(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    return motion.expression.double().numpy(), motion.pose.double().numpy()
