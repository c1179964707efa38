"""Label maps of the picture's own size from scores on a coarser grid, the person matte and the frame's face mesh."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.parsing import outline
from models.parsing.best import best_class
from models.parsing.evidence import moved
from models.parsing.outline import fill

BACKGROUND_LABEL, TORSO_LABEL, NECK_LABEL, HEAD_LABEL, HAIR_LABEL, LIPS_LABEL, MOUTH_LABEL, EYES_LABEL = range(8)
"""Values of a label map, those of tasks/artifacts/masks.py."""
LABEL_OF_CLASS = (HEAD_LABEL, HAIR_LABEL, NECK_LABEL, TORSO_LABEL)

SMALLEST_PART = 1 / 800  # of the picture: smaller islands of a class join what is round them


@dataclass(frozen=True)
class Change:
    """Pixels of a label map that take another label: ``mask`` uint8 [h, w] is 1 on them and one pixel round them, its
    first pixel lies at ``corner`` (row, column); those of label ``old`` become ``new``."""

    corner: tuple[int, int]
    mask: np.ndarray
    old: int
    new: int


def finish(
    scores: np.ndarray | None, matte: np.ndarray, points: np.ndarray | None, shape: tuple[int, int]
) -> np.ndarray:
    """Label map uint8 [H, W] of ``shape``.

    scores: voted, [h, w, 4] as Composer gives them, and matte, voted, [h', w'], may both be coarser than the picture;
    points: the frame's own mesh [478, 2+] px of the picture.  Without points there is no head to be told from the rest:
    every person pixel is torso.
    """
    person = cv2.resize(matte, shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    if points is None or scores is None:
        return np.where(person, TORSO_LABEL, BACKGROUND_LABEL).astype(np.uint8)
    coarse = scores.shape[:2]
    small = best_class(scores, LABEL_OF_CLASS)
    small[cv2.resize(matte, coarse[::-1], interpolation=cv2.INTER_AREA) <= 0.5] = BACKGROUND_LABEL
    fill(small, moved(points, shape, coarse), outline.FACE_OVAL, HEAD_LABEL)
    labels = best_class(cv2.resize(scores, shape[::-1], interpolation=cv2.INTER_LINEAR), LABEL_OF_CLASS)
    labels *= person
    fill(labels, points, outline.FACE_OVAL, HEAD_LABEL)
    for change in [*loose_neck(small), *islands(small)]:
        _apply(labels, change, coarse)
    fill(labels, points, outline.LIPS, LIPS_LABEL)
    fill(labels, points, outline.INNER_LIPS, MOUTH_LABEL)
    fill(labels, points, outline.RIGHT_EYE, EYES_LABEL)
    fill(labels, points, outline.LEFT_EYE, EYES_LABEL)
    return labels


def loose_neck(labels: np.ndarray) -> list[Change]:
    """Neck that does not hang together with the head (hands, a skin-coloured tie) becomes torso, in ``labels`` too."""
    count, parts = cv2.connectedComponents((labels == NECK_LABEL).view(np.uint8), connectivity=8)
    if count <= 1:
        return []
    near = cv2.dilate((labels >= HEAD_LABEL).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    joined = np.zeros(count, bool)
    joined[parts[near]] = True
    return [_change(labels, parts, int(part), TORSO_LABEL) for part in np.flatnonzero(~joined) if part > 0]


def islands(labels: np.ndarray) -> list[Change]:
    """Islands of a class smaller than SMALLEST_PART of the picture take the commonest label round them.

    ``labels`` is changed; the changes are returned in the order in which they were made.
    """
    least = labels.size * SMALLEST_PART
    changes = []
    for label in (HEAD_LABEL, HAIR_LABEL, NECK_LABEL, TORSO_LABEL, BACKGROUND_LABEL):
        count, parts = cv2.connectedComponents((labels == label).view(np.uint8), connectivity=8)
        if count <= 1:
            continue
        sizes = np.bincount(parts.ravel())
        for part in np.flatnonzero(sizes < least):
            if part > 0:
                changes.append(_change(labels, parts, int(part), None))
    return changes


def _change(labels: np.ndarray, parts: np.ndarray, part: int, new: int | None) -> Change:
    """Give a part another label (None: the commonest round it) and return that."""
    mine = (parts == part).view(np.uint8)
    x, y, width, height = cv2.boundingRect(mine)
    top, left = max(0, y - 1), max(0, x - 1)
    window = np.s_[top : y + height + 1, left : x + width + 1]
    inside = mine[window]
    mask = cv2.dilate(inside, np.ones((3, 3), np.uint8))
    old = int(labels[y : y + height, x : x + width][mine[y : y + height, x : x + width] > 0][0])
    if new is None:
        new = int(np.bincount(labels[window][(mask > 0) & (inside == 0)], minlength=1).argmax())
    labels[window][inside > 0] = new
    return Change((top, left), mask, old, new)


def _apply(labels: np.ndarray, change: Change, coarse: tuple[int, int]) -> None:
    """Make a change found on a grid of shape ``coarse`` in the full label map."""
    rows, columns = labels.shape[0] / coarse[0], labels.shape[1] / coarse[1]
    (top, left), (height, width) = change.corner, change.mask.shape
    y0, y1 = round(top * rows), round((top + height) * rows)
    x0, x1 = round(left * columns), round((left + width) * columns)
    mask = cv2.resize(change.mask, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST) > 0
    window = labels[y0:y1, x0:x1]
    window[mask & (window == change.old)] = change.new
