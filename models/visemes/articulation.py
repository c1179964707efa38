"""Do closures close and open vowels open: the measure of a mouth that was made for known phones."""

from dataclasses import dataclass

import numpy as np

from models.visemes.phones import BILABIAL, LIPS, OPEN_VOWELS, SILENCE, Phone

CLOSED_MM, OPEN_MM = 0.5, 3.0  # above the resting mouth's opening
TOLERANCE = 2  # frames before and after the phone


@dataclass(frozen=True)
class Articulation:
    """closed: share of m, b, p with closed lips at some frame of the phone or TOLERANCE frames off; opened: share of
    open vowels that open likewise; shut: share of the frames of other phones, more than TOLERANCE frames from silence
    and from every phone of the lips, at which these are closed and should not be.  closures, vowels: how many there
    were.  Shares are NaN where there was none."""

    closed: float
    opened: float
    shut: float
    closures: int
    vowels: int


def articulation(phones: list[Phone], opening: np.ndarray, rest: float, fps: float) -> Articulation:
    """opening [N] in mm between the inner lips, frame i at i / fps s; rest: that of the neutral face.

    Phones that end within TOLERANCE frames of the end are not counted.
    """
    closed, opened = [], []
    free, near = np.zeros(len(opening), bool), np.zeros(len(opening), bool)
    for phone in phones:
        first, last = round(phone.start * fps) - TOLERANCE, round(phone.stop * fps) + TOLERANCE
        around = slice(max(first, 0), last + 1)
        (near if phone.name in (SILENCE, *LIPS) else free)[around] = True
        if last >= len(opening):
            continue
        if phone.name in BILABIAL:
            closed.append(bool(opening[around].min() < rest + CLOSED_MM))
        elif phone.name in OPEN_VOWELS:
            opened.append(bool(opening[around].max() > rest + OPEN_MM))
    shut = opening[free & ~near] < rest + CLOSED_MM
    return Articulation(_share(closed), _share(opened), _share(list(shut)), len(closed), len(opened))


def _share(values: list[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
