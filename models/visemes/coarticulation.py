"""Co-articulation by dominance functions.

Cohen & Massaro 1993, "Modeling coarticulation in synthetic visual speech": segment s pulls channel p towards its target
T_sp with a dominance that falls with temporal distance, D_sp(t) = alpha_sp exp(-theta_sp |t - t_s|^c), and the channel
follows the weighted mean F_p(t) = sum_s D_sp(t) T_sp / sum_s D_sp(t).

Ours: c = 1; the distance counts from the middle half of the segment, so that long phones are held; strengths and rates
by kind of phone and channel (below), not measured from people.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.visemes.phones import VISEME_OF, Phone, split_diphthongs
from models.visemes.shapes import CHANNELS, SHAPES

CORE = 0.5  # middle share of a segment over which its dominance is at its peak


@dataclass(frozen=True)
class Dominance:
    """strength: alpha, at the peak.  before, after: theta in 1/s on the way to the segment and away from it."""

    strength: float
    before: float = 22.0
    after: float = 22.0


_VOWEL, _WEAK, _FREE = Dominance(1.0), Dominance(0.35), Dominance(0.06)
_FIRM = Dominance(5.0, 60.0, 60.0)
_EARLY = Dominance(1.2, 12.0, 18.0)  # rounding begins well before the sound that needs it

LIPS = ("closed", "press", "tuck")
ROUND = ("pucker", "funnel", "spread")


def dominances(viseme: str) -> dict[str, Dominance]:
    """Dominance by channel of one viseme: articulators that a phone does not need are left to its neighbours."""
    if viseme == "rest":
        return dict.fromkeys(CHANNELS, Dominance(0.8, 18.0, 18.0)) | dict.fromkeys(LIPS, _VOWEL)
    if viseme == "closed":
        return dict.fromkeys(CHANNELS, _FREE) | dict.fromkeys(LIPS, Dominance(14.0, 80.0, 80.0)) | {"jaw": _WEAK}
    if viseme == "lip_teeth":
        return dict.fromkeys(CHANNELS, _FREE) | dict.fromkeys(LIPS, _FIRM) | {"jaw": _WEAK, "upper": _VOWEL}
    if viseme in ("tongue_teeth", "tongue_tip", "lateral", "back", "breath"):
        own = {"breath": _FREE, "back": _FREE}.get(viseme, _WEAK)
        return dict.fromkeys(CHANNELS, _FREE) | {"jaw": own} | dict.fromkeys(LIPS, Dominance(0.8, 30.0, 30.0))
    if viseme == "sibilant":
        return dict.fromkeys(CHANNELS, _WEAK) | {"jaw": Dominance(1.5)} | dict.fromkeys(LIPS, _VOWEL)
    if viseme in ("rounded_sibilant", "rhotic", "rounded_glide", "close_rounded"):
        return dict.fromkeys(CHANNELS, _VOWEL) | dict.fromkeys(ROUND, _EARLY)
    return dict.fromkeys(CHANNELS, _VOWEL)


def blend(phones: list[Phone], times: np.ndarray) -> np.ndarray:
    """Curves [N, len(CHANNELS)] of the channels of ``Shape`` at ``times`` [N] in seconds.

    phones: in order, silences among them.  Raises ValueError for no phone at all, or one without a viseme.
    """
    if not phones:
        raise ValueError("no phones")
    segments = split_diphthongs(phones)
    return weighted_means(
        np.array([[phone.start, phone.stop] for phone in segments]),
        [SHAPES[VISEME_OF[phone.name]].__dict__ for phone in segments],
        [dominances(VISEME_OF[phone.name]) for phone in segments],
        np.asarray(times, np.float64),
    )


def weighted_means(
    spans: np.ndarray,
    targets: list[dict[str, float]],
    rules: list[dict[str, Dominance]],
    times: np.ndarray,
    reach: float = 1.0,
) -> np.ndarray:
    """The equation of the module: spans [S, 2] in seconds, targets and rules by channel -> [N, channels].

    Segments more than ``reach`` seconds away are left out, except the nearest one.
    """
    target = np.array([[values[name] for name in CHANNELS] for values in targets])
    strength, before, after = (
        np.array([[getattr(rule[name], part) for name in CHANNELS] for rule in rules])
        for part in ("strength", "before", "after")
    )
    core = spans + np.diff(spans, axis=1) * (1 - CORE) / 2 * np.array([1.0, -1.0])
    out = np.empty((len(times), len(CHANNELS)))
    for row, time in enumerate(times):
        early, late = np.maximum(core[:, 0] - time, 0.0), np.maximum(time - core[:, 1], 0.0)
        distance = early + late
        near = np.flatnonzero(distance <= max(reach, float(distance.min())))
        exponent = early[near, None] * before[near] + late[near, None] * after[near]
        # Shifted by the smallest exponent: far from every segment the plain weights would all be zero.
        weight = strength[near] * np.exp(exponent.min(0) - exponent)
        out[row] = (weight * target[near]).sum(0) / weight.sum(0)
    return out


def channel_limits() -> Mapping[str, tuple[float, float]]:
    """Smallest and largest target of every channel: a weighted mean never leaves them."""
    values = {name: [getattr(shape, name) for shape in SHAPES.values()] for name in CHANNELS}
    return {name: (min(v), max(v)) for name, v in values.items()}
