"""What a style asks of the networks: between two styles, nearer to the subject or further off, louder is livelier."""

from dataclasses import dataclass

import torch
from torch import Tensor

LIMITS = 0.5, 2.0  # of amplitudes and of the tempo
FACE_DOUBT, HEAD_DOUBT = 20.0, 40.0  # frames of a style at which it counts half: see ``trust``
MOST = 4.0  # how much larger than it was made a direction of the face may become for being too calm
PIECE = 100  # frames, 4 s
PACE = 5  # frames, 0.2 s: over which tempo is measured
SWELL = 8.0  # dB above or below the voice's middle level at which emphasis is fully felt


@dataclass(frozen=True)
class Manner:
    """code [1, style]: what the transformers are conditioned on.  expression [components], pose [components]: how much
    larger than the subject's own tracked motion is, by direction; tempo: how much faster the head is.  lively: how much
    (0..1) of what made motion lacks beside tracked motion is made up for."""

    code: Tensor
    expression: Tensor
    pose: Tensor
    tempo: float = 1.0
    lively: float = 0.0


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
    low, high = LIMITS
    tempo, lively = min(max(far.tempo, low), high), min(max(far.lively, 0.0), 1.0)
    return Manner(far.code, far.expression.clamp(low, high), far.pose.clamp(low, high), tempo, lively)


def _along(a: Manner, b: Manner, share: float) -> Manner:
    return Manner(
        a.code + share * (b.code - a.code),
        a.expression * (b.expression / a.expression) ** share,
        a.pose * (b.pose / a.pose) ** share,
        a.tempo * (b.tempo / a.tempo) ** share,
        a.lively + share * (b.lively - a.lively),
    )


def lack(made: Tensor, own: Tensor) -> Tensor:
    """How much larger than the ``made`` the ``own`` tracked motion is [K] (standard deviations by direction): from 1,
    where it is not, to MOST."""
    noise = 0.02 * own.square().mean().clamp_min(1e-12)
    return ((own.square() + noise) / (made.square() + noise)).sqrt().clamp(1.0, MOST)


def amplitude(spread: Tensor, own: Tensor, trust: float) -> Tensor:
    """How much larger than ``own`` [K] (standard deviations by direction) a style's ``spread`` [K] is, within LIMITS.

    Directions in which the subject hardly moves are drawn to 1, as is everything with falling ``trust`` (0..1).
    """
    noise = 0.02 * own.square().mean().clamp_min(1e-12)
    return ((spread.square() + noise) / (own.square() + noise)).sqrt().clamp(*LIMITS) ** trust


def trust(frames: int, doubt: float) -> float:
    """How much (0..1) of a logarithmic ratio of spreads is believed that ``frames`` frames show.

    The spread of n frames of motion with correlation time T is uncertain by the variance T / 2n of its logarithm; the
    logarithms of two people's spreads differ by a variance of some 0.2 (face, T about 7 frames) or 0.4 (head, T about
    30): the best linear estimate is n / (n + ``doubt``), doubt = T / 2 over that variance.
    """
    return frames / (frames + doubt)


def spread(motion: Tensor) -> Tensor:
    """Standard deviation [K] of motion [N, K] within pieces of PIECE frames.

    People sit differently from minute to minute: about one mean, a long recording spreads further than a short one of
    the same person, and the two could not be compared.
    """
    return _about_pieces(motion).square().mean(0).sqrt()


def pace(motion: Tensor) -> Tensor:
    """Tempo of motion [N, K]: root mean square change over PACE frames, over the spread; 1 for less than a second."""
    if len(motion) < 25:
        return torch.ones(())
    step = (motion[PACE:] - motion[:-PACE]).square().sum(-1).mean().sqrt()
    return step / spread(motion).norm().clamp_min(1e-6)


def _about_pieces(motion: Tensor) -> Tensor:
    count = max(1, round(len(motion) / PIECE))
    return torch.cat([piece - piece.mean(0) for piece in motion.tensor_split(count)])


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
