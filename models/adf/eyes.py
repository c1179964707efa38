"""Blinks and gaze: what speech does not tell, sampled at human rates.

Blink rate in conversation is about 17 a minute on average with large differences between people (Bentivoglio et al.
1997, Movement Disorders 12:1028); lids close in about 0.1 s and open in about twice that.  Between glances the eyes
rest (fixations of 0.3 to a few seconds) and jump within a frame or two.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

RATE = 17.0  # blinks a minute where the subject's own rate is not known
RATE_RANGE = (8.0, 30.0)
# Closure of the lids at 25 frames a second from the first moving frame on; 1 is shut.
CLOSURE_25 = (0.0, 0.45, 0.95, 1.0, 0.8, 0.5, 0.25, 0.1, 0.0)


@dataclass(frozen=True)
class EyeHabits:
    """How one subject's eyes behave.

    channels: expression coefficients that close the lids; open, shut: their values at rest and when closed;
    rate: blinks a minute; gaze [6]: resting eye rotation (radians), glance [2]: standard deviation of glances about
    the x and the y axis (radians), the same for both eyes.
    """

    channels: tuple[int, ...]
    open: tuple[float, ...]
    shut: tuple[float, ...]
    rate: float
    gaze: tuple[float, ...]
    glance: tuple[float, ...]


def blink_onsets(closure: Tensor, threshold: float = 0.5) -> Tensor:
    """Frames [K] at which ``closure`` [T] (0 open ... 1 shut) rises through ``threshold``."""
    shut = closure > threshold
    return torch.nonzero(shut[1:] & ~shut[:-1]).flatten() + 1


def learn_habits(expression: Tensor, eyes: Tensor, channels: list[int], shut: list[float], fps: float) -> EyeHabits:
    """From tracked expression [N, E] and eye rotations [N, 6].

    shut: the head model's value of each lid channel for closed lids; where the subject's own blinks reach less, the
    largest value seen in at least two frames in a hundred is not trusted either: the model's value stays.
    """
    lids = expression[:, channels] if channels else expression[:, :0]
    rest = lids.median(0).values
    rate = RATE
    if channels and len(lids) >= 20 * fps:
        span = (torch.tensor(shut) - rest).clamp_min(1e-3)
        count = len(blink_onsets(((lids - rest) / span).mean(1), 0.4))
        # A few seconds hold too few blinks, and a track may have missed them: pull towards the human mean.
        minutes = len(lids) / fps / 60
        rate = (count + RATE * 0.5) / (minutes + 0.5)
        rate = min(max(rate, RATE_RANGE[0]), RATE_RANGE[1])
    spread = eyes.reshape(len(eyes), 2, 3).mean(1)[:, :2]
    # Half the tracked spread: the rest is tracking noise and head compensation.
    glance = (0.5 * spread.std(0, correction=0)).clamp(0.0, math.radians(4.0))
    return EyeHabits(
        tuple(channels),
        tuple(map(float, rest)),
        tuple(shut),
        float(rate),
        tuple(map(float, eyes.median(0).values)),
        tuple(map(float, glance)),
    )


def sample_closure(frames: int, fps: float, rate: float, generator: torch.Generator) -> Tensor:
    """Lid closure [frames], 0 ... 1: blinks at log-normal intervals with mean 60 / rate seconds."""
    closure = torch.zeros(frames)
    shape = torch.tensor(CLOSURE_25)
    length = max(2, round(len(shape) * fps / 25.0))
    pulse = torch.nn.functional.interpolate(shape[None, None], size=length, mode="linear", align_corners=True)[0, 0]
    sigma = 0.6
    mu = math.log(60.0 / rate) - 0.5 * sigma**2
    # The first interval is cut at random: the clip starts somewhere between two blinks.
    at = float(torch.rand((), generator=generator)) * 60.0 / rate
    while at * fps < frames:
        start = round(at * fps)
        stop = min(start + length, frames)
        closure[start:stop] = torch.maximum(closure[start:stop], pulse[: stop - start])
        interval = math.exp(mu + sigma * float(torch.randn((), generator=generator)))
        at += max(interval, 1.5 * length / fps)
    return closure


def sample_gaze(frames: int, fps: float, habits: EyeHabits, generator: torch.Generator) -> Tensor:
    """Eye rotations [frames, 6]: rest, small glances, two-frame jumps."""
    rest = torch.tensor(habits.gaze)
    gaze = rest.repeat(frames, 1)
    at = 0.0
    while at * fps < frames:
        start = round(at * fps)
        offset = torch.randn(2, generator=generator).clamp(-2, 2) * torch.tensor(habits.glance)
        at += 0.6 + 2.0 * float(torch.empty(()).exponential_(1.0, generator=generator))
        gaze[start : round(at * fps)] = rest + torch.cat([offset, offset.new_zeros(1)]).repeat(2)
    if frames > 2:
        # Jumps take two frames, as a saccade of some degrees does.
        gaze[1:] = 0.5 * (gaze[1:] + gaze[:-1])
    return gaze


def apply_habits(expression: Tensor, habits: EyeHabits, closure: Tensor) -> Tensor:
    """Expression [N, E] with the lid channels at rest, closed by ``closure`` [N]."""
    if not habits.channels:
        return expression
    expression = expression.clone()
    rest, shut = torch.tensor(habits.open), torch.tensor(habits.shut)
    expression[:, list(habits.channels)] = rest + closure[:, None] * (shut - rest)
    return expression
