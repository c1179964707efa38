"""Training windows: random crops of uninterrupted runs of frames, slightly stretched or squeezed in time."""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

WARP = 0.1  # windows are played up to 10 % slower or faster


@dataclass
class Run:
    """Consecutive usable frames.  features [N, C], energy [N], expression [N, E + 9], pose [N, 9], native units."""

    features: Tensor
    energy: Tensor
    expression: Tensor
    pose: Tensor

    def __len__(self) -> int:
        return len(self.features)


@dataclass
class Segment:
    """A run as the networks see it: heard [N, S], skipped [N, M] (the skip path's out-of-fold prediction),
    expression [N, M] and pose [N, P], all motion in the coordinates of its MotionBasis."""

    heard: Tensor
    skipped: Tensor
    expression: Tensor
    pose: Tensor

    def __len__(self) -> int:
        return len(self.heard)

    def slice(self, start: int, stop: int) -> "Segment":
        return Segment(*(getattr(self, f.name)[start:stop] for f in fields(self)))


class WindowSampler:
    """Batches of windows [B, frames, ...] from segments; every possible start is equally likely."""

    def __init__(self, segments: list[Segment], window: int, multiple: int, generator: torch.Generator):
        longest = max(len(segment) for segment in segments)
        # Room to shift and stretch a window matters more than its full length where the clip is short.
        self.frames = min(window, max(int(0.7 * longest) // multiple, 1) * multiple)
        self.reach = min(round(self.frames * (1 + WARP)), longest)
        self.segments = [segment for segment in segments if len(segment) >= self.reach]
        self.starts = torch.tensor([len(segment) - self.reach + 1.0 for segment in self.segments])
        self.generator = generator

    def __call__(self, batch: int, warp: bool = True) -> Segment:
        """One batch; its windows share a playing speed."""
        speed = 1.0
        if warp:
            speed += WARP * (2 * float(torch.rand((), generator=self.generator)) - 1)
        length = min(round(self.frames * speed), self.reach)
        picks = torch.multinomial(self.starts, batch, replacement=True, generator=self.generator)
        parts = []
        for pick in picks.tolist():
            segment = self.segments[pick]
            start = int(torch.randint(len(segment) - length + 1, (), generator=self.generator))
            parts.append(segment.slice(start, start + length))
        stacked = Segment(*(torch.stack([getattr(part, f.name) for part in parts]) for f in fields(Segment)))
        if length == self.frames:
            return stacked
        return Segment(*(_stretch(getattr(stacked, f.name), self.frames) for f in fields(Segment)))


def _stretch(x: Tensor, frames: int) -> Tensor:
    return F.interpolate(x.transpose(1, 2), size=frames, mode="linear", align_corners=True).transpose(1, 2)


def hold_back(segments: list[Segment], share: float) -> tuple[list[Segment], list[Segment]]:
    """The last ``share`` of all frames, and what comes before it."""
    total = sum(len(segment) for segment in segments)
    left = total - round(share * total)
    early, late = [], []
    for segment in segments:
        cut = min(max(left, 0), len(segment))
        if cut:
            early.append(segment.slice(0, cut))
        if cut < len(segment):
            late.append(segment.slice(cut, len(segment)))
        left -= len(segment)
    return early, late
