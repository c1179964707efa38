"""Label maps composed from person matte, face mesh, fitted head, colour and position.

Person pixels inside the face oval are face.  The others go to skin (ears, a bald crown), hair, neck or torso by
colour (models/parsing/appearance.py) times position (models/parsing/prior.py), with the fitted head's silhouettes as
further evidence.  The colour models are learnt from the video itself: first from pixels whose class is known from
where they are (cheeks, just above the forehead, shoulders), then from the labels that these give.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.parsing import outline
from models.parsing.appearance import CELLS, ColourModel, colour_cells, count_colours, darker
from models.parsing.outline import HeadAxes, head_axes, hull, lobe_line, polygon
from models.parsing.prior import CLASSES, HAIR, NECK, SKIN, TORSO, PositionPrior

BACKGROUND_LABEL, TORSO_LABEL, NECK_LABEL, HEAD_LABEL, HAIR_LABEL, LIPS_LABEL, MOUTH_LABEL, EYES_LABEL = range(8)
"""Values of a label map, those of tasks/artifacts/masks.py."""
LABEL_OF_CLASS = np.array([HEAD_LABEL, HAIR_LABEL, NECK_LABEL, TORSO_LABEL], np.uint8)

ANY_COLOUR = np.array([0.03, 0.03, 0.03, 0.25])  # clothes may hold colours that no sample had
SHADE = (1.0, 0.7, 0.45, 0.28)  # a neck is the face's skin in less light
COLOUR_WEIGHT = 0.7
BLUR = 1 / 42  # side of the window that colours are averaged over, of the picture's side
SILHOUETTE = 1.5  # log odds for being inside the fitted head's skull or neck
LEAST_COLOURS = 200  # pixels of a class below which its samples say nothing
SMALLEST_PART = 1 / 800  # of the picture: smaller islands of a class join what is round them


@dataclass(frozen=True)
class Evidence:
    """One frame: rgb uint8 [H, W, 3]; matte float32 [H, W]; points float32 [478, 2+] px or None where no face was
    found; skull, neck: float32 [N, 2] px, vertices of the fitted head in the picture, or None without a fit."""

    rgb: np.ndarray
    matte: np.ndarray
    points: np.ndarray | None
    skull: np.ndarray | None = None
    neck: np.ndarray | None = None


@dataclass(frozen=True)
class Geometry:
    """Masks bool [H, W] and maps of one frame that follow from its points alone."""

    axes: HeadAxes
    above: np.ndarray
    oval: np.ndarray
    u: np.ndarray
    v: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, shape: tuple[int, int]) -> "Geometry":
        axes = head_axes(points)
        x, y = np.arange(shape[1], dtype=np.float32) + 0.5, np.arange(shape[0], dtype=np.float32)[:, None] + 0.5
        m = axes.matrix.astype(np.float32)
        u = m[0, 0] * x + m[0, 1] * y + m[0, 2]
        v = m[1, 0] * x + m[1, 1] * y + m[1, 2]
        return cls(axes, lobe_line(points, axes, shape), polygon(points, outline.FACE_OVAL, shape), u, v)


class Composer:
    """Scores of the classes for frames of one video; ``fit`` first."""

    def __init__(self) -> None:
        self._prior = PositionPrior(0.0)
        self._colours: ColourModel | None = None
        self.long_hair = 0.0

    def fit(self, frames: Sequence[Evidence], rounds: int = 2) -> None:
        """Learn this video's colours from a few dozen frames spread over it."""
        frames = [frame for frame in frames if frame.points is not None]
        if not frames:
            return
        self.long_hair = _long_hair(frames)
        self._prior = PositionPrior(self.long_hair)
        seeds = sum((_seed_counts(frame, self.long_hair) for frame in frames), np.zeros((CELLS, CLASSES)))
        seeds[:, HAIR] = _without(seeds[:, HAIR], seeds[:, SKIN])
        if self.long_hair > 0.5:
            seeds[:, TORSO] = _without(seeds[:, TORSO], seeds[:, HAIR])
        first = ColourModel(seeds, ANY_COLOUR)
        self._colours = first
        for _ in range(rounds):
            counts = np.zeros_like(seeds)
            for frame in frames:
                labels = LABEL_OF_CLASS[self.scores(frame).argmax(-1)]
                labels[frame.matte < 0.8] = BACKGROUND_LABEL
                masks = {c: labels == LABEL_OF_CLASS[c] for c in range(CLASSES)}
                counts += count_colours(colour_cells(frame.rgb), masks, CLASSES)
            # Skin, neck and hair may shift within the colours they were seen in.  Only clothes may gain new ones, but
            # not the neck's: an open collar would turn skin into cloth round by round.
            counts[:, :TORSO] *= first.log_density[:, :TORSO] > 0
            counts[:, TORSO] *= first.log_density[:, NECK] < 1
            share, firm = (table / np.maximum(table.sum(0), 1) for table in (counts, seeds))
            rare = counts.sum(0) < LEAST_COLOURS
            self._colours = ColourModel(np.where(rare, firm, 0.5 * firm + 0.5 * share), ANY_COLOUR)

    def scores(self, frame: Evidence) -> np.ndarray:
        """Log scores float32 [H, W, 4] of skin, hair, neck and torso, were every pixel a person's."""
        if self._colours is None or frame.points is None:
            raise ValueError("fit first, and give a frame with a face")
        shape = frame.rgb.shape[:2]
        geometry = Geometry.of(frame.points, shape)
        window = max(3, round(shape[0] * BLUR) | 1)
        colour = cv2.blur(self._colours(colour_cells(frame.rgb)), (window, window))
        scores = self._prior(geometry.axes, geometry.above) + COLOUR_WEIGHT * colour
        if frame.skull is not None:
            inside = hull(frame.skull, shape)
            scores[..., TORSO] -= SILHOUETTE * inside
            scores[..., NECK] -= SILHOUETTE * inside
        if frame.neck is not None:
            scores[..., NECK] += SILHOUETTE * hull(frame.neck, shape)
        return scores


def finish(scores: np.ndarray | None, matte: np.ndarray, points: np.ndarray | None) -> np.ndarray:
    """Label map uint8 [H, W] from (voted) scores [H, W, 4], matte [H, W] and the frame's own points.

    Without points there is no head to be told from the rest: every person pixel is torso.
    """
    shape = matte.shape
    person = matte > 0.5
    if points is None or scores is None:
        return np.where(person, TORSO_LABEL, BACKGROUND_LABEL).astype(np.uint8)
    labels = np.where(person, LABEL_OF_CLASS[scores.argmax(-1)], BACKGROUND_LABEL).astype(np.uint8)
    labels[polygon(points, outline.FACE_OVAL, shape)] = HEAD_LABEL
    labels = _without_islands(_only_the_neck(labels))
    labels[polygon(points, outline.LIPS, shape)] = LIPS_LABEL
    labels[polygon(points, outline.INNER_LIPS, shape)] = MOUTH_LABEL
    labels[polygon(points, outline.RIGHT_EYE, shape) | polygon(points, outline.LEFT_EYE, shape)] = EYES_LABEL
    return labels


def _only_the_neck(labels: np.ndarray) -> np.ndarray:
    """Neck that does not hang together with the head (hands, a skin-coloured tie) is torso."""
    count, parts = cv2.connectedComponents((labels == NECK_LABEL).astype(np.uint8), connectivity=4)
    near = cv2.dilate((labels >= HEAD_LABEL).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    joined = np.zeros(count, bool)
    joined[parts[near]] = True
    labels[(parts > 0) & ~joined[parts]] = TORSO_LABEL
    return labels


def _without_islands(labels: np.ndarray) -> np.ndarray:
    """Islands of a class smaller than SMALLEST_PART of the picture take the commonest label round them."""
    least = labels.size * SMALLEST_PART
    result = labels.copy()
    for label in (HEAD_LABEL, HAIR_LABEL, NECK_LABEL, TORSO_LABEL, BACKGROUND_LABEL):
        count, parts, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=4)
        for part in range(1, count):
            if stats[part, cv2.CC_STAT_AREA] >= least:
                continue
            x, y, width, height = stats[part, :4]
            window = np.s_[max(0, y - 1) : y + height + 1, max(0, x - 1) : x + width + 1]
            mine = parts[window] == part
            ring = cv2.dilate(mine.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~mine
            around = labels[window][ring]
            if len(around):
                result[window][mine] = np.bincount(around).argmax()
    return result


def _long_hair(frames: Sequence[Evidence]) -> float:
    """0..1: how surely hair falls past the ears, from the person pixels beside the ears, where else nothing is."""
    beside, total = 0.0, 0
    for frame in frames:
        assert frame.points is not None
        g = Geometry.of(frame.points, frame.rgb.shape[:2])
        # A face turned away widens the far side of the picture: look at the side that shows more.
        band = (g.above > 0.02) & (g.above < 0.25)
        sides = [(g.u > 0.58) & (g.u < 0.75), (g.u < -0.58) & (g.u > -0.75)]
        shares = [(frame.matte[band & side] > 0.5).mean() for side in sides if (band & side).any()]
        if shares:
            beside += min(shares)
            total += 1
    return float(np.clip((beside / total - 0.1) / 0.3, 0, 1)) if total else 0.0


def _without(counts: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Colour counts less those that are commoner in ``other``, unless hardly any would be left."""
    share, strange = counts / max(counts.sum(), 1), other / max(other.sum(), 1)
    kept = np.where(strange > share, 0.0, counts)
    return kept if kept.sum() > max(LEAST_COLOURS, 0.15 * counts.sum()) else counts


def _seed_counts(frame: Evidence, long_hair: float) -> np.ndarray:
    """Colour counts [CELLS, 4] of pixels whose class is known from where they are."""
    assert frame.points is not None
    points, shape = frame.points, frame.rgb.shape[:2]
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
    hair = person & ~g.oval & (np.abs(g.u) < 0.3) & (g.v > top_v + 0.08) & (g.v < top_v + 0.35)
    if long_hair > 0.5:
        hair |= person & ~g.oval & (g.above > 0.05) & (np.abs(g.u) > 0.55) & (np.abs(g.u) < 0.75)
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
