"""Windows of motion against windows of sound in the embedding that both share: which sound is the motion's own?"""

import numpy as np
from torch import Tensor

WINDOW = 50  # frames, 2 s
STEP = 5  # frames between windows that are compared with sound elsewhere
AWAY = 8  # frames: nearer than this, sound of the same clip is not called another
REACH = 15  # frames: greatest offset that is looked for


def agreements(motion: Tensor, sound: Tensor, start: int, places: range) -> np.ndarray:
    """Mean similarity of motion [N, D] in the window from ``start`` with sound [M, D] in those from ``places``."""
    piece = motion[start : start + WINDOW]
    return np.array([float((sound[at : at + WINDOW] * piece).sum(-1).mean().detach()) for at in places])


def told_apart(motion: Tensor, own: Tensor, other: Tensor, away: int = 0) -> list[bool]:
    """For every window of motion and every window of the ``other`` sound: does the motion's own sound agree better?

    away: places of ``other`` nearer to the window than this are left out.
    """
    found = []
    for start in range(0, len(motion) - WINDOW + 1, STEP):
        places = range(0, len(other) - WINDOW + 1, STEP)
        right = agreements(motion, own, start, range(start, start + 1))[0]
        wrong = agreements(motion, other, start, places)
        found += [bool(right > value) for at, value in zip(places, wrong, strict=True) if abs(at - start) >= away]
    return found


def best_lags(motion: Tensor, sound: Tensor) -> list[int]:
    """Offset within +-REACH frames at which the sound agrees best, for every window that has as much sound about it.

    Positive: the motion comes late.
    """
    count = min(len(motion), len(sound))
    lags = np.arange(-REACH, REACH + 1)
    return [
        int(-lags[agreements(motion, sound, start, range(start - REACH, start + REACH + 1)).argmax()])
        for start in range(REACH, count - WINDOW - REACH + 1)
    ]
