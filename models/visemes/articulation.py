"""Do closures close and open vowels open: the measure of a mouth that was made for known phones."""

from dataclasses import dataclass

import numpy as np

from models.visemes.phones import BILABIAL, OPEN_VOWELS, Phone

CLOSED_MM, OPEN_MM = 0.5, 3.0  # above the resting mouth's opening
TOLERANCE = 2  # frames before and after the phone


@dataclass(frozen=True)
class Articulation:
    """closed: share of m, b, p with closed lips at some frame of the phone or TOLERANCE frames off; opened: share of
    open vowels that open likewise.  closures, vowels: how many there were.  Shares are NaN where there was none."""

    closed: float
    opened: float
    closures: int
    vowels: int


def articulation(phones: list[Phone], opening: np.ndarray, rest: float, fps: float) -> Articulation:
    """opening [N] in mm between the inner lips, frame i at i / fps s; rest: that of the neutral face.

    Phones that end within TOLERANCE frames of the end are not counted.
    """
    closed, opened = [], []
    for phone in phones:
        first, last = round(phone.start * fps) - TOLERANCE, round(phone.stop * fps) + TOLERANCE
        if last >= len(opening):
            continue
        seen = opening[max(first, 0) : last + 1]
        if phone.name in BILABIAL:
            closed.append(bool(seen.min() < rest + CLOSED_MM))
        elif phone.name in OPEN_VOWELS:
            opened.append(bool(seen.max() > rest + OPEN_MM))
    return Articulation(_share(closed), _share(opened), len(closed), len(opened))


def _share(values: list[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
