"""Generation with bounded look-ahead, for speech that is still being spoken.

Motion is made in pieces of CHUNK frames.  A frame depends on no speech more than ``lookahead + CHUNK - 1`` frames after
it, and it can be shown that much later; what the networks would like to know of the time after that is held, as at the
end of a recording.  Each piece also foretells the next ``lookahead`` frames, and neighbouring pieces are blended where
they speak of the same frame, so that pieces leave no seams.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.adf.manner import Manner, swell
from models.adf.network import POSE_SMOOTHING, Adf, Motion
from models.adf.prior import LEADS, REACH
from models.adf.skip import LEAD
from models.adf.windows import smooth

CHUNK = 4  # frames
LEAST = 1  # frames: one code of the head's pose hears the frame after it
MEMORY = 1500  # frames of the past that say how loud the voice is


@torch.no_grad()
def generate_causally(
    adf: Adf,
    features: Tensor,
    energy: Tensor,
    manner: Manner,
    temperature: float,
    generator: torch.Generator,
    lookahead: int,
    emphasis: float = 0.0,
) -> Motion:
    """As ``Adf.generate``, frame by frame from the past and ``lookahead`` frames of the future.

    The head keeps the tempo of its codes: another one would have to hear ahead.

    Raises ValueError for a look-ahead below LEAST frames.
    """
    if lookahead < LEAST:
        raise ValueError(f"a look-ahead of {lookahead} frames: at least {LEAST} is needed")
    if adf.config.pose.stride != CHUNK:
        raise ValueError(f"pieces of {CHUNK} frames do not go with one pose code every {adf.config.pose.stride}")
    voice = adf.voice(features)
    energy = _levelled(adf, energy, voice)
    heard = adf.front(features, energy)
    latents = adf.to_pose.sample(heard, manner.code, adf.pose_space.quantizer, temperature, generator)
    window = adf.config.window // CHUNK * CHUNK

    def express(first: int, stop: int) -> Tensor:
        """Motion [stop - first, components] that ends the speech heard until ``stop``."""
        start = max(0, stop - window) // CHUNK * CHUNK
        before = max(0, start - adf.skip.radius + LEAD)
        skipped = adf.skip.over(heard[before:stop])[start - before :]
        if adf.prior is not None:
            before = max(0, start - REACH - max(LEADS))
            skipped = (
                skipped + adf.prior(features[before:stop], energy[before:stop], adf.expression_basis)[start - before :]
            )
        style, space = manner.code, adf.expression_space
        decoded = adf.to_expression(heard[None, start:stop], skipped[None], style, space)[0]
        excursion = (adf.fuse(skipped, decoded) - adf.rest) * adf.larger(manner)
        recent = slice(max(0, stop - MEMORY), stop)
        loudness, spoken = energy[recent], None if voice is None else voice[recent]
        larger = swell(loudness, emphasis) * (1 - adf.silence.stillness(loudness, spoken))
        count = stop - first
        return adf.rest + larger[-count:, None] * excursion[-count:]

    def turn(first: int, stop: int) -> Tensor:
        """Pose [stop - first, components] from the codes that the speech until ``stop`` decides."""
        known = min(max((stop - 5) // CHUNK + 1, first // CHUNK + 1), len(latents))
        start = max(0, known - window // CHUNK)
        pose = adf.pose_space.decode(latents[None, start:known])[0]
        missing = stop - known * CHUNK
        if missing > 0:
            pose = torch.cat([pose, pose[-1:].expand(missing, -1)])
        return smooth(pose, POSE_SMOOTHING)[first - start * CHUNK : stop - start * CHUNK]

    larger = float(manner.expression.max()) * (1.0 + max(emphasis, 0.0))
    # The mouth follows the newest knowledge at once; the head, which nobody expects anywhere, as smoothly as it can.
    expression = _in_pieces(len(heard), lookahead, CHUNK, express)
    pose = _in_pieces(len(heard), lookahead, lookahead, turn)
    return Motion(adf.to_flame(expression, larger), adf.pose_basis.inverse(adf.further(manner) * pose))


def _in_pieces(frames: int, lookahead: int, fade: int, make: Callable[[int, int], Tensor]) -> Tensor:
    """Join make(first, last frame known + 1) -> [known - first, C] of all pieces to [frames, C], each fading in over
    ``fade`` frames where the one before it foretold so many."""
    done, foretold = [], None
    for first in range(0, frames, CHUNK):
        known = min(first + CHUNK + lookahead, frames)
        piece = make(first, known)
        if foretold is not None and len(foretold):
            shared = min(len(foretold), fade, len(piece))
            weight = (torch.arange(1, shared + 1) / (shared + 1))[:, None]
            piece[:shared] = (1 - weight) * foretold[:shared] + weight * piece[:shared]
        done.append(piece[: min(CHUNK, frames - first)])
        foretold = piece[CHUNK:]
    return torch.cat(done)


def _levelled(adf: Adf, energy: Tensor, voice: Tensor | None) -> Tensor:
    """Energy as ``Adf.level`` would have it, each piece by what was heard before it."""
    parts = []
    for first, part in zip(range(0, len(energy), CHUNK), energy.split(CHUNK), strict=True):
        past = slice(max(0, first - MEMORY), first)
        parts.append(part + adf.silence.offset(energy[past], None if voice is None else voice[past]))
    return torch.cat(parts)
