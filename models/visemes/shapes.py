"""Targets of the visemes, in units that say what the mouth does, and their translation to named facial actions.

The numbers are ours: set by looking at the rendered open head (docs/pictures/visemes.jpg) so that the shapes match what
phonetics says of each phone (jaw height, lip closure, rounding, spreading; e.g. Ladefoged & Johnson, "A Course in
Phonetics"), not measured from people.
"""

from dataclasses import dataclass, fields

import numpy as np

CLOSING_JAW = 0.35  # rad; at this jaw rotation mouthClose = 1 brings the open head's lips together


@dataclass(frozen=True)
class Shape:
    """One viseme's targets.

    jaw: rotation in radians, positive opens.  closed: share of the jaw's opening that the lips undo, 0 to 1.
    press: lips pressed together.  tuck: lower lip under the upper teeth.  pucker, funnel: rounding without and with
    flared lips.  spread: corners drawn back.  upper: upper lip raised; lower: lower lip lowered.  All but jaw 0 to 1.
    """

    jaw: float = 0.0
    closed: float = 0.0
    press: float = 0.0
    tuck: float = 0.0
    pucker: float = 0.0
    funnel: float = 0.0
    spread: float = 0.0
    upper: float = 0.0
    lower: float = 0.0


CHANNELS = tuple(field.name for field in fields(Shape))

SHAPES = {
    "rest": Shape(jaw=0.0, closed=1.0),
    "closed": Shape(jaw=0.015, closed=1.0, press=0.45),
    "lip_teeth": Shape(jaw=0.02, closed=0.3, tuck=0.8, upper=0.2),
    "tongue_teeth": Shape(jaw=0.035, lower=0.15, upper=0.05),
    "tongue_tip": Shape(jaw=0.03, lower=0.1),
    "lateral": Shape(jaw=0.045, lower=0.1),
    "sibilant": Shape(jaw=0.012, spread=0.25, lower=0.15, upper=0.05),
    "rounded_sibilant": Shape(jaw=0.018, pucker=0.35, funnel=0.3),
    "back": Shape(jaw=0.045),
    "breath": Shape(jaw=0.05),
    "rhotic": Shape(jaw=0.025, pucker=0.4, funnel=0.15),
    "rhotic_vowel": Shape(jaw=0.035, pucker=0.3, funnel=0.15),
    "rounded_glide": Shape(jaw=0.015, pucker=0.85, closed=0.3),
    "spread_glide": Shape(jaw=0.025, spread=0.35),
    "open": Shape(jaw=0.11, lower=0.15),
    "open_spread": Shape(jaw=0.095, spread=0.25, lower=0.2, upper=0.05),
    "open_rounded": Shape(jaw=0.09, pucker=0.3, funnel=0.1),
    "mid_open": Shape(jaw=0.065, lower=0.1),
    "neutral_vowel": Shape(jaw=0.04, lower=0.05),
    "mid_spread": Shape(jaw=0.065, spread=0.2, lower=0.15),
    "near_close": Shape(jaw=0.04, spread=0.2, lower=0.1),
    "close_spread": Shape(jaw=0.03, spread=0.45, lower=0.12, upper=0.05),
    "near_close_rounded": Shape(jaw=0.035, pucker=0.45, funnel=0.1),
    "close_rounded": Shape(jaw=0.02, pucker=0.8, funnel=0.1),
    "mid_rounded": Shape(jaw=0.06, pucker=0.5, funnel=0.1),
}

BOTH = ("Left", "Right")


def to_actions(curves: np.ndarray) -> dict[str, np.ndarray]:
    """Curves [N, len(CHANNELS)] -> named actions [N] in 0..1 (ARKit's names), and ``jaw``, the rotation [N] in radians.

    The lips undo the jaw's opening by mouthClose in proportion to the jaw, so that closed lips stay closed whatever
    the jaw does underneath.
    """
    at = {name: curves[:, i] for i, name in enumerate(CHANNELS)}
    actions = {
        "jaw": at["jaw"],
        "mouthClose": at["closed"] * np.clip(at["jaw"] / CLOSING_JAW, 0.0, 1.0),
        "mouthRollLower": at["tuck"],
        "mouthPucker": at["pucker"],
        "mouthFunnel": at["funnel"],
    }
    for side in BOTH:
        actions[f"mouthPress{side}"] = at["press"]
        actions[f"mouthStretch{side}"] = 0.6 * at["spread"]
        actions[f"mouthSmile{side}"] = 0.3 * at["spread"]
        actions[f"mouthUpperUp{side}"] = at["upper"]
        actions[f"mouthLowerDown{side}"] = at["lower"]
    return {name: value if name == "jaw" else np.clip(value, 0.0, 1.0) for name, value in actions.items()}
