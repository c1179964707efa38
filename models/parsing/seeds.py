"""Pixels whose class is known from where they are: the first samples of a person's colours."""

from collections.abc import Sequence

import cv2
import numpy as np

from models.parsing import outline
from models.parsing.appearance import CELLS, colour_cells, count_colours, darker
from models.parsing.evidence import Evidence, Geometry
from models.parsing.outline import polygon
from models.parsing.prior import CLASSES, HAIR, NECK, SKIN, TORSO

SHADE = (1.0, 0.7, 0.45, 0.28)  # a neck is the face's skin in less light
LEAST_COLOURS = 200  # pixels of a class below which its samples say nothing


def seed_colours(frames: Sequence[Evidence], long_hair: float) -> np.ndarray:
    """Colour counts float64 [CELLS, CLASSES] of frames that have a face; long_hair as ``hair_past_the_ears`` says."""
    counts = sum((_of_frame(frame, long_hair) for frame in frames), np.zeros((CELLS, CLASSES)))
    counts[:, HAIR] = _without(counts[:, HAIR], counts[:, SKIN])
    if long_hair > 0.5:
        counts[:, TORSO] = _without(counts[:, TORSO], counts[:, HAIR])
    return counts


def hair_past_the_ears(frames: Sequence[Evidence]) -> float:
    """0..1: how surely hair falls past the ears, from the person pixels where short hair leaves background.

    Two such places: beside the ears (full hair), and below them, beside jaw and neck (hair that hangs close).
    """
    beside: list[float] = []
    below: list[float] = []
    for frame in frames:
        assert frame.points is not None
        g = Geometry.of(frame.points, frame.shape)
        # A face turned away widens the far side of the picture: look at the side that shows less.
        for shares, band in ((beside, _beside_the_ears(g)), (below, _below_the_ears(g))):
            sides = [
                float((frame.matte[band & side] > 0.5).mean()) for side in (g.u > 0, g.u < 0) if (band & side).any()
            ]
            shares.extend([min(sides)] if sides else [])
    full = (np.mean(beside) - 0.1) / 0.3 if beside else 0.0
    hanging = (np.mean(below) - 0.3) / 0.3 if below else 0.0
    return float(np.clip(max(full, hanging), 0, 1))


def _beside_the_ears(g: Geometry) -> np.ndarray:
    side = np.abs(g.u)
    return (g.above > 0.02) & (g.above < 0.25) & (side > 0.58) & (side < 0.75)


def _below_the_ears(g: Geometry) -> np.ndarray:
    side = np.abs(g.u)
    return (g.above > -0.22) & (g.above < -0.04) & (side > 0.44) & (side < 0.56) & ~g.oval


def _without(counts: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Colour counts less those that are commoner in ``other``, unless hardly any would be left."""
    share, strange = counts / max(counts.sum(), 1), other / max(other.sum(), 1)
    kept = np.where(strange > share, 0.0, counts)
    return kept if kept.sum() > max(LEAST_COLOURS, 0.15 * counts.sum()) else counts


def _of_frame(frame: Evidence, long_hair: float) -> np.ndarray:
    assert frame.points is not None
    points, shape = frame.points, frame.shape
    g = Geometry.of(points, shape)
    person = frame.matte > 0.9
    features = np.zeros(shape, bool)
    for part in (outline.LIPS, outline.RIGHT_EYE, outline.LEFT_EYE, outline.RIGHT_BROW, outline.LEFT_BROW):
        features |= polygon(points, part, shape)
    spread = max(3, round(0.05 * g.axes.unit) | 1)
    features = cv2.dilate(features.astype(np.uint8), np.ones((spread, spread), np.uint8)).astype(bool)
    inner = cv2.erode(g.oval.astype(np.uint8), np.ones((spread, spread), np.uint8)).astype(bool)
    mouth_v = g.axes.matrix[1] @ [*points[0, :2], 1]  # beards begin below the nose
    top_v = g.axes.matrix[1] @ [*points[outline.FOREHEAD, :2], 1]
    chin_v = g.axes.matrix[1] @ [*points[outline.CHIN, :2], 1]
    skin = inner & ~features & (g.v > mouth_v + 0.05)
    hair = person & ~g.oval & (np.abs(g.u) < 0.3) & (g.v > top_v + 0.14) & (g.v < top_v + 0.38)
    if long_hair > 0.5:
        hair |= person & ~g.oval & (g.above > 0.05) & (np.abs(g.u) > 0.55) & (np.abs(g.u) < 0.75)
        hair |= person & _below_the_ears(g)
    torso = person & (g.above < -0.05) & (
        ((np.abs(g.u) > 0.62) & (g.v < chin_v + 0.05)) | ((np.abs(g.u) > 0.35) & (g.v < chin_v - 0.4))
    )  # fmt: skip
    counts = count_colours(colour_cells(frame.rgb), {SKIN: skin, HAIR: hair, TORSO: torso}, CLASSES)
    face = frame.rgb[skin]
    for factor in SHADE:
        counts[:, NECK] += np.bincount(colour_cells(darker(face, factor)[None])[0], minlength=CELLS)
        if factor > 0.5:
            counts[:, SKIN] += np.bincount(colour_cells(darker(face, factor)[None])[0], minlength=CELLS)
    return counts
