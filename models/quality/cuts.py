"""Cuts between scenes, seen in thumbnails."""

import cv2
import numpy as np

SIDE = 32  # pixels of a thumbnail
JUMP = 16.0  # grey levels, mean over the thumbnail, that two neighbouring frames of one scene do not differ by
TIMES = 4.0  # and it is that many times what their neighbours differ by
AROUND = 12  # frames to each side
ELSEWHERE = 45.0  # grey levels that two pictures of one scene, seconds apart, do not differ by


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """float32 [SIDE, SIDE] grey."""
    small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)


def cuts_between_frames(thumbnails: np.ndarray) -> np.ndarray:
    """Indices of the frames [N, SIDE, SIDE] (consecutive ones of a video) that begin a new scene.

    A flash of light jumps too, but jumps back at once: where the picture is soon the old one again, it is no cut.
    """
    if len(thumbnails) < 2:
        return np.zeros(0, np.int64)
    change = np.abs(np.diff(thumbnails, axis=0)).mean((1, 2))
    found: list[int] = []
    for i in np.flatnonzero(change > JUMP).tolist():
        around = np.delete(change[max(0, i - AROUND) : i + AROUND + 1], min(i, AROUND))
        usual = float(np.median(around)) if len(around) else 0.0
        before, after = max(0, i - 3), min(i + 4, len(thumbnails) - 1)
        stays = np.abs(thumbnails[after] - thumbnails[before]).mean() > JUMP
        near = found and i + 1 - found[-1] < AROUND  # two in so short a time: one that takes some frames
        if change[i] > TIMES * usual and stays and not near:
            found.append(i + 1)
    return np.array(found, np.int64)


def changes_of_scene(thumbnails: np.ndarray) -> int:
    """How often consecutive ones of sparse pictures [N, SIDE, SIDE] of a clip show another scene."""
    if len(thumbnails) < 2:
        return 0
    return int((np.abs(np.diff(thumbnails, axis=0)).mean((1, 2)) > ELSEWHERE).sum())
