"""Which of skin, hair, neck and clothes a person's pixel is, from face mesh, fitted head, colour and position.

Ears and a bald crown are skin.  Scores are colour (models/parsing/appearance.py) times position
(models/parsing/prior.py), with the fitted head's silhouettes as further evidence.  The colour models are learnt from
the video itself: first from pixels whose class is known from where they are (models/parsing/seeds.py), then from the
labels that these give.  models/parsing/finish.py makes label maps of the scores.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from models.parsing.appearance import ColourModel, colour_cells, count_colours
from models.parsing.evidence import Evidence, moved
from models.parsing.outline import head_axes, hull, lobe_line
from models.parsing.prior import CLASSES, NECK, TORSO, PositionPrior
from models.parsing.seeds import LEAST_COLOURS, hair_past_the_ears, seed_colours

ANY_COLOUR = np.array([0.03, 0.03, 0.03, 0.25])  # clothes may hold colours that no sample had
COLOUR_WEIGHT = 0.7
BLUR = 1 / 42  # side of the window that colours are averaged over, of the picture's side
NECK_MUST = 3.0  # log odds that a neck loses whose colour is not skin's: a tie, a scarf
SKIN_LIKE = (-0.5, 1.0)  # log densities between which a colour begins to be skin's
SILHOUETTE = 1.5  # log odds for being inside the fitted head's skull or neck
CERTAIN = 0.8  # matte above which a pixel's colour is taken to be the person's


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
        self.long_hair = hair_past_the_ears(frames)
        self._prior = PositionPrior(self.long_hair)
        seeds = seed_colours(frames, self.long_hair)
        first = ColourModel(seeds, ANY_COLOUR)
        self._colours = first
        for _ in range(rounds):
            counts = np.zeros_like(seeds)
            for frame in frames:
                best = cv2.resize(self.scores(frame), frame.shape[::-1], interpolation=cv2.INTER_NEAREST).argmax(-1)
                best[frame.matte < CERTAIN] = CLASSES
                masks = {c: best == c for c in range(CLASSES)}
                counts += count_colours(colour_cells(frame.rgb), masks, CLASSES)
            # Skin, neck and hair may shift within the colours they were seen in.  Only clothes may gain new ones, but
            # not the neck's: an open collar would turn skin into cloth round by round.
            counts[:, :TORSO] *= first.log_density[:, :TORSO] > 0
            counts[:, TORSO] *= first.log_density[:, NECK] < 1
            share, firm = (table / np.maximum(table.sum(0), 1) for table in (counts, seeds))
            rare = counts.sum(0) < LEAST_COLOURS
            self._colours = ColourModel(np.where(rare, firm, 0.5 * firm + 0.5 * share), ANY_COLOUR)

    def scores(self, frame: Evidence) -> np.ndarray:
        """Log scores float32 [H/2, W/2, 4] of skin, hair, neck and torso, were every pixel a person's.

        Half the evidence's size, because colours are averaged over windows several pixels wide anyway.
        """
        if self._colours is None or frame.points is None:
            raise ValueError("fit first, and give a frame with a face")
        shape = max(1, frame.shape[0] // 2), max(1, frame.shape[1] // 2)
        window = max(3, round(shape[0] * BLUR) | 1)
        colour = self._colours(colour_cells(cv2.resize(frame.rgb, shape[::-1], interpolation=cv2.INTER_AREA)))
        points = moved(frame.points, frame.shape, shape)
        axes = head_axes(points)
        scores = self._prior(axes, lobe_line(points, axes, shape))
        colour = cv2.blur(colour, (window, window))
        scores += COLOUR_WEIGHT * colour
        strange = (SKIN_LIKE[1] - colour[..., NECK]) / (SKIN_LIKE[1] - SKIN_LIKE[0])
        scores[..., NECK] -= NECK_MUST * np.clip(strange, 0, 1)
        if frame.skull is not None:
            inside = SILHOUETTE * hull(moved(frame.skull, frame.shape, shape), shape)
            scores[..., TORSO] -= inside
            scores[..., NECK] -= inside
        if frame.neck is not None:
            scores[..., NECK] += SILHOUETTE * hull(moved(frame.neck, frame.shape, shape), shape)
        return scores
