"""Where to cut: a static square that holds head and shoulders over the whole clip.  Pure functions.

Boxes are x0, y0, x1, y1 in pixels of the upright source picture.  Lengths that a person should have room for are
given in face heights: the height of the detector's face box, which reaches from mid-forehead to chin.
"""

from dataclasses import dataclass

import numpy as np

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Framing:
    """The chosen square and the room it leaves.

    box: the square, even numbers.  union: what holds the face box throughout, but for the extreme 2 %.
    face_height: median, pixels.  margins: smallest distance over the clip from the face box to each side of the square,
    in face heights (above, below, left, right).  short_of: the sides on which the picture did not allow the margin
    that was asked for.
    """

    box: Box
    union: tuple[float, float, float, float]
    face_height: float
    margins: dict[str, float]
    short_of: tuple[str, ...]


def choose_square(faces: np.ndarray, width: int, height: int, above: float, below: float, sides: float) -> Framing:
    """Choose the static square for face boxes ``faces`` (float [N, 4], N >= 1) in a picture of width x height.

    above, below, sides: margins that are asked for round every face box of the clip, in face heights.  The square
    never leaves the picture: where it is too small, the square shrinks to it and ``short_of`` says on which sides.
    """
    # A single wild box must not zoom the crop out: the extreme 2 % do not count.
    low, high = np.quantile(faces, 0.02, axis=0), np.quantile(faces, 0.98, axis=0)
    x0, y0, x1, y1 = low[0], low[1], high[2], high[3]
    unit = float(np.median(faces[:, 3] - faces[:, 1]))
    need_x, need_y = (x1 - x0) + 2 * sides * unit, (y1 - y0) + (above + below) * unit
    limit = min(width, height) // 2 * 2
    side = int(min(limit, 2 * round(max(need_x, need_y) / 2)))
    left = (x0 + x1) / 2 - side / 2
    # Spare or missing room above and below is shared in the proportion that was asked for.
    spare = side - (y1 - y0)
    top = y0 - spare * above / (above + below) if spare >= 0 else (y0 + y1) / 2 - side / 2
    left_even, top_even = _place(left, width - side), _place(top, height - side)
    room = {
        "above": (y0 - top_even) / unit,
        "below": (top_even + side - y1) / unit,
        "left": (x0 - left_even) / unit,
        "right": (left_even + side - x1) / unit,
    }
    wanted = {"above": above, "below": below, "left": sides, "right": sides}
    short = tuple(name for name, value in room.items() if value < wanted[name] - 0.05)
    box = (left_even, top_even, left_even + side, top_even + side)
    union = (float(x0), float(y0), float(x1), float(y1))
    return Framing(box, union, unit, {name: round(value, 3) for name, value in room.items()}, short)


def _place(offset: float, most: int) -> int:
    return int(np.clip(2 * round(offset / 2), 0, most // 2 * 2))
