"""Is motion in the manner of A more like A than like B?  Statistics that were fixed before any result was looked at.

A style is taken from the first half of A's video, and judged against the second half, which nothing that made the
motion has seen: the last 1/11 of a clip of 8 s is 18 frames, of which no statistic of head motion can be taken.

Quantities, in mm and degrees: face = mouth opening, mouth width, height of the brows, opening of the lids, each on the
head model's mean head, so that only motion counts; head = rotation (global + neck) about three axes.  Statistics of a
quantity over time, natural logarithms: its standard deviation ("spread"), the root mean square of its change over
LAG frames ("speed"), the mean absolute change from frame to frame ("change").  They are divided by their standard
deviation over the subjects' second halves; nearness is Euclidean distance, of face and head each for themselves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from models.adf.geometry import BROWS, LOWER_LIP, UPPER_LIP, mesh_points
from models.adf.network import Motion
from models.flame.head import FlameHead

FACE = ("opening", "width", "brows", "lids")
HEAD = ("pitch", "yaw", "roll")
STATISTICS = ("spread", "speed", "change")
LAG = 5  # frames, 0.2 s
CORNERS = (61, 291)  # of the 478-point mesh
LIDS = ((159, 145), (386, 374))
ALIKE = 0.01  # of a logarithm: subjects that differ by less do not differ
LEAST = 1e-3  # mm or degrees: a quantity that stands still has no logarithm


@dataclass(frozen=True)
class Subject:
    """style: what is shown of a subject; rest: what is kept back."""

    name: str
    style: Motion
    rest: Motion


@dataclass(frozen=True)
class Made:
    """Motion that ``speaker`` made in the manner of ``style``, by name."""

    speaker: str
    style: str
    motion: Motion


def halves(motion: Motion) -> tuple[Motion, Motion]:
    """First and second half of a motion."""
    half = len(motion.pose) // 2
    first, second = (Motion(motion.expression[rows], motion.pose[rows]) for rows in (slice(half), slice(half, None)))
    return first, second


def face_quantities(head: FlameHead, motion: Motion) -> Tensor:
    """[N, 4] of FACE in mm, on the mean head."""
    index = [UPPER_LIP, LOWER_LIP, *CORNERS, *(k for pair in LIDS for k in pair), *BROWS]
    points = mesh_points(head, torch.zeros(head.shape_size), motion.expression, index)
    opening, width, left, right = (points[:, k] - points[:, k + 1] for k in (0, 2, 4, 6))
    lids = 0.5 * (left.norm(dim=-1) + right.norm(dim=-1))
    return torch.stack([opening.norm(dim=-1), width.norm(dim=-1), points[:, 8:, 1].mean(1), lids], 1)


def head_quantities(_: FlameHead, motion: Motion) -> Tensor:
    """[N, 3] of HEAD in degrees."""
    return torch.rad2deg(motion.pose[:, :3] + motion.pose[:, 3:6])


BRANCHES: dict[str, tuple[tuple[str, ...], Callable[[FlameHead, Motion], Tensor]]] = {
    "face": (FACE, face_quantities),
    "head": (HEAD, head_quantities),
}


def statistics(quantities: Tensor) -> np.ndarray:
    """Logarithms [3, Q] of spread, speed and change of quantities [N, Q], N > LAG."""
    far = quantities[LAG:] - quantities[:-LAG]
    rows = [quantities.std(0, correction=0), far.square().mean(0).sqrt(), quantities.diff(dim=0).abs().mean(0)]
    return torch.stack(rows).clamp_min(LEAST).log().numpy()


def compare(head: FlameHead, subjects: list[Subject], made: list[Made]) -> Iterator[str]:
    """Two tables: cases told apart by speaker, and single statistics."""
    yield "| | face, % | head, % | cases |"
    yield "|---|---|---|---|"
    rest = {branch: _of(head, branch, {s.name: s.rest for s in subjects}) for branch in BRANCHES}
    shown = {branch: _of(head, branch, {s.name: s.style for s in subjects}) for branch in BRANCHES}
    scale = {branch: np.stack(list(rest[branch].values())).std(0).clip(ALIKE) for branch in BRANCHES}
    spoken = {branch: [statistics(BRANCHES[branch][1](head, m.motion)) for m in made] for branch in BRANCHES}

    def judged(branch: str, rows: list[int]) -> np.ndarray:
        """[cases, 1 + 3 Q]: all statistics together, then each for itself."""
        found = [
            nearer(spoken[branch][k], rest[branch][made[k].style], rest[branch][other], scale[branch])
            for k in rows
            for other in rest[branch]
            if other != made[k].style
        ]
        return np.array(found)

    transferred = [k for k, m in enumerate(made) if m.speaker != m.style]
    groups = {"motion in another's manner": transferred}
    for subject in subjects:
        groups[f"spoken by {subject.name}"] = [k for k in transferred if made[k].speaker == subject.name]
    for subject in subjects:
        groups[f"in the manner of {subject.name}"] = [k for k in transferred if made[k].style == subject.name]
    groups["own manner (the network has seen the second half)"] = [k for k in range(len(made)) if k not in transferred]
    for label, rows in groups.items():
        if not rows:
            continue
        cells = [judged(branch, rows) for branch in BRANCHES]
        yield f"| {label} | {' | '.join(f'{100 * found[:, 0].mean():.0f}' for found in cells)} | {len(cells[0])} |"
    real = [
        [nearer(shown[branch][a], rest[branch][a], rest[branch][b], scale[branch])[0] for a, b in pairs]
        for pairs in [list(permutations([s.name for s in subjects], 2))]
        for branch in BRANCHES
    ]
    yield f"| the subjects' own first halves | {' | '.join(f'{100 * np.mean(x):.0f}' for x in real)} | {len(real[0])} |"
    yield ""
    yield "| quantity | " + " | ".join(f"{name}: told apart, % (made over true)" for name in STATISTICS) + " |"
    yield "|---" * (1 + len(STATISTICS)) + "|"
    for branch, (names, _) in BRANCHES.items():
        alone = judged(branch, transferred)[:, 1:].mean(0).reshape(len(STATISTICS), len(names))
        excess = np.mean([spoken[branch][k] - rest[branch][made[k].style] for k in transferred], 0)
        for place, name in enumerate(names):
            cells = [f"{100 * alone[s, place]:.0f} ({np.exp(excess[s, place]):.2f})" for s in range(len(STATISTICS))]
            yield f"| {name} | {' | '.join(cells)} |"


def nearer(x: np.ndarray, a: np.ndarray, b: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Is x nearer to a than to b: bool [1 + n] by all n statistics together, then by each alone."""
    to_a, to_b = (((x - y) / scale).ravel() for y in (a, b))
    return np.concatenate([[np.linalg.norm(to_a) < np.linalg.norm(to_b)], np.abs(to_a) < np.abs(to_b)])


def _of(head: FlameHead, branch: str, motions: dict[str, Motion]) -> dict[str, np.ndarray]:
    return {name: statistics(BRANCHES[branch][1](head, motion)) for name, motion in motions.items()}
