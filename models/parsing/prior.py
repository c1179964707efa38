"""Where skin, hair, neck and clothes are likely, in the head's own axes (models/parsing/outline.py).

Our own design, by hand from anatomy (units: face heights, forehead to chin): ears end 0.55 beside the face's middle;
the skull and short hair fit an ellipse of 0.62 by 0.85; a neck is at most as wide as the jaw.
"""

import cv2
import numpy as np

from models.parsing.outline import HeadAxes

SKIN, HAIR, NECK, TORSO = range(4)
CLASSES = 4
SPAN_U, SPAN_V = 3.0, 3.5  # the template covers -SPAN..SPAN
CELLS_PER_UNIT = 40
SOFT = 0.04  # face heights over which "above the ear lobes" turns into "below"


def _grid() -> tuple[np.ndarray, np.ndarray]:
    u = (np.arange(round(2 * SPAN_U * CELLS_PER_UNIT)) + 0.5) / CELLS_PER_UNIT - SPAN_U
    v = SPAN_V - (np.arange(round(2 * SPAN_V * CELLS_PER_UNIT)) + 0.5) / CELLS_PER_UNIT
    return np.meshgrid(u, v)


def above_template() -> np.ndarray:
    """Log prior float32 [Hc, Wc, 4] above the ear lobes and outside the face oval."""
    u, v = _grid()
    skull = np.hypot(u / 0.62, (v - 0.10) / 0.85)
    ears = np.hypot((np.abs(u) - 0.47) / 0.12, (v + 0.08) / 0.28)
    skin = np.maximum(-3.0 - 4 * np.maximum(skull - 1, 0), -0.7 * ears**2)
    # The mesh's oval ends in the middle of a high forehead, and a receding hairline shows skin beside it.
    forehead = np.hypot(u / 0.42, (v - 0.3) / 0.4)
    skin = np.maximum(skin, -1.0 - 6 * np.maximum(forehead - 1, 0))
    hair = -0.5 - 2.5 * np.maximum(skull - 1, 0)
    neck = np.full_like(u, -9.0)
    torso = -7.0 + 4.0 * np.clip(skull - 1.2, 0, 2)
    return np.stack([skin, hair, neck, torso], -1).astype(np.float32)


def below_template(long_hair: float) -> np.ndarray:
    """Log prior float32 [Hc, Wc, 4] below the ear lobes and outside the face oval.

    long_hair: 0..1, how surely this person's hair falls past the ears.
    """
    u, v = _grid()
    side = np.abs(u)
    column = -18 * np.maximum(side - 0.36, 0)
    depth = -2.5 * np.maximum(-v - 1.2, 0)  # an open collar shows skin far down
    neck = column + depth
    torso = -2.5 + 2.5 * np.clip((-v - 0.45) / 0.5, 0, 1) + 3.0 * np.clip((side - 0.35) / 0.25, 0, 1)
    fall = 3.0 * np.clip((side - 0.2) / 0.2, 0, 1) - 3.0 * np.maximum(side - 0.85, 0) - 1.5 * np.maximum(-v - 1.2, 0)
    hair = -8.0 + 7.0 * long_hair + fall
    skin = np.full_like(u, -9.0)
    return np.stack([skin, hair, neck, np.minimum(torso, 0.5)], -1).astype(np.float32)


class PositionPrior:
    """Log prior of the four classes for frames of one person; long_hair: see ``below_template``."""

    def __init__(self, long_hair: float) -> None:
        self._above, self._below = above_template(), below_template(long_hair)

    def __call__(self, axes: HeadAxes, above_line: np.ndarray) -> np.ndarray:
        """float32 [H, W, 4]; above_line [H, W]: signed distance above the lobes' line in face heights."""
        height, width = above_line.shape
        to_picture = axes.to_picture()
        # template pixel (i, j) -> (u, v) -> picture pixel; OpenCV's pixel centres are at integers
        scale = 1 / CELLS_PER_UNIT
        cell = np.array([[scale, 0, scale / 2 - SPAN_U], [0, -scale, SPAN_V - scale / 2], [0, 0, 1]])
        matrix = np.concatenate([to_picture, [[0, 0, 1]]]) @ cell
        matrix[:2, 2] -= 0.5
        maps = [
            cv2.warpAffine(
                template, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            for template in (self._above, self._below)
        ]
        share = np.clip(above_line / (2 * SOFT) + 0.5, 0, 1)[..., None]
        return maps[1] + share * (maps[0] - maps[1])
