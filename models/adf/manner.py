"""What a style asks of the networks: between two styles, nearer to the subject or further off, louder is livelier."""

from dataclasses import dataclass

import torch
from torch import Tensor

LIMITS = 0.5, 2.0  # of amplitudes
SWELL = 8.0  # dB above or below the voice's middle level at which emphasis is fully felt


@dataclass(frozen=True)
class Manner:
    """code [1, style]: what the transformers are conditioned on.  expression [components], pose [components]: how much
    larger than the subject's own motion is, by direction."""

    code: Tensor
    expression: Tensor
    pose: Tensor


def between(first: Manner, second: Manner, weight: float) -> Manner:
    """``first`` at weight 0, ``second`` at 1; codes linearly, amplitudes geometrically (half as large and twice as
    large meet at one).  Raises ValueError for another weight."""
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"the weight {weight} of the second style must lie between 0 and 1")
    return _along(first, second, weight)


def strengthened(own: Manner, style: Manner, strength: float) -> Manner:
    """The subject's ``own`` manner at 0, the ``style`` at 1, as far again beyond it at 2; amplitudes within LIMITS.
    Raises ValueError for a negative strength."""
    if strength < 0:
        raise ValueError(f"the strength {strength} of a style must be 0 or more")
    far = _along(own, style, strength)
    return Manner(far.code, far.expression.clamp(*LIMITS), far.pose.clamp(*LIMITS))


def _along(a: Manner, b: Manner, share: float) -> Manner:
    return Manner(
        a.code + share * (b.code - a.code),
        a.expression * (b.expression / a.expression) ** share,
        a.pose * (b.pose / a.pose) ** share,
    )


def amplitude(spread: Tensor, own: Tensor, trust: float) -> Tensor:
    """How much larger than ``own`` [K] (standard deviations by direction) a style's ``spread`` [K] is, within LIMITS.

    Directions in which the subject hardly moves are drawn to 1, as is everything with falling ``trust`` (0..1).
    """
    noise = 0.02 * own.square().mean().clamp_min(1e-12)
    return ((spread.square() + noise) / (own.square() + noise)).sqrt().clamp(*LIMITS) ** trust


def swell(energy: Tensor, amount: float) -> Tensor:
    """Factor [N] on the face's excursion for loudness [N] in dBFS: 1 + ``amount`` where the voice (over half a second)
    is SWELL or more above its own middle level, 1 - ``amount`` (never below 0.2) as far below; no jumps.

    amount 0: none.  The middle level is the median of the frames within 30 dB of the loudest.
    """
    if not amount:
        return torch.ones_like(energy)
    voiced = energy[energy > energy.max() - 30.0]
    radius = 6
    padded = torch.nn.functional.pad(energy.clamp_min(-60.0)[None, None], (radius, radius), mode="replicate")
    level = torch.nn.functional.avg_pool1d(padded, 2 * radius + 1, 1)[0, 0]
    return (1.0 + amount * ((level - voiced.median()) / SWELL).clamp(-1.0, 1.0)).clamp_min(0.2)
