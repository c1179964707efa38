"""What motion of the expression branch does to the face: the metric of learning and the figures of evaluation."""

import torch
from torch import Tensor

from models.adf.motion import EYES, JAW
from models.flame.head import FlameHead

WEIGHTS = {"face": 1.0, "lids": 2.0, "lips": 4.0}  # how much a squared displacement counts, by region
EYEBALL_SHARE = 0.05  # of the metric's trace for the eyeballs: seen, but not heard
UPPER_LIP, LOWER_LIP = 13, 14  # of the 478-point mesh: inner lips, middle
BROWS = (70, 63, 105, 66, 107, 300, 293, 334, 296, 336)  # of the 478-point mesh


def expressed(head: FlameHead, shape: Tensor, branch: Tensor) -> Tensor:
    """Vertices [N, V, 3] in metres, head held still, of shape [S] and the expression branch [N, E + 9]."""
    expression, jaw, eyes = branch.split([branch.shape[1] - JAW - EYES, JAW, EYES], dim=1)
    still = torch.zeros(len(branch), 3)
    return head(shape[None], expression, still, still, jaw, eyes, still)


@torch.no_grad()
def expression_metric(head: FlameHead, shape: Tensor, centre: Tensor) -> Tensor:
    """Metric [E + 9, E + 9]: mean squared displacement in mm^2 of weighted face vertices for a change of the branch.

    centre [E + 9]: where the head is linearised (the subject's mean).
    """
    weight = _weights(head)
    metric = _squares(_displacements(head, shape, centre), weight / weight.sum())
    eyes = metric.diagonal().mean() * EYEBALL_SHARE
    metric[-EYES:, -EYES:] += eyes * torch.eye(EYES)
    return metric


@torch.no_grad()
def brow_metrics(head: FlameHead, shape: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Two forms [E + 9, E + 9]: mean squared displacement in mm^2 of the brow points, and of the weighted face vertices
    from the eyes down with the lids, for a change of the branch at ``centre`` [E + 9]."""
    moved = _displacements(head, shape, centre)
    points = head.embeddings["mesh"].subset(torch.tensor(BROWS)).points(moved, head.faces)  # a linear map
    height = head.template[:, 1]
    weight = _weights(head)
    spared = height > height[head.regions["eyes"]].mean()
    if "lids" in head.regions:
        spared[head.regions["lids"]] = False
    weight[spared] = 0.0
    return _squares(points, torch.full((len(BROWS),), 1 / len(BROWS))), _squares(moved, weight / weight.sum())


def _weights(head: FlameHead) -> Tensor:
    """How much each vertex [V] counts."""
    weight = torch.zeros(len(head.template))
    for region, value in WEIGHTS.items():
        if region in head.regions:
            weight[head.regions[region]] = value
    return weight


def _displacements(head: FlameHead, shape: Tensor, centre: Tensor) -> Tensor:
    """By how many mm each vertex moves for a unit of each of the branch's channels [E + 9, V, 3]."""
    steps = torch.full((len(centre),), 0.01)
    vertices = expressed(head, shape, torch.cat([centre[None], centre + torch.diag(steps)]))
    return 1000.0 * (vertices[1:] - vertices[0]) / steps[:, None, None]


def _squares(moved: Tensor, weight: Tensor) -> Tensor:
    """Weighted sum of squared displacements [C, C] for displacements [C, V, 3]."""
    return torch.einsum("avc,bvc,v->ab", moved, moved, weight)


@torch.no_grad()
def mouth_opening(head: FlameHead, shape: Tensor, branch: Tensor) -> Tensor:
    """Distance [N] in mm between the middles of the inner lips."""
    points = mesh_points(head, shape, branch, [UPPER_LIP, LOWER_LIP])
    return (points[:, 0] - points[:, 1]).norm(dim=-1)


@torch.no_grad()
def lip_errors(head: FlameHead, shape: Tensor, predicted: Tensor, truth: Tensor) -> tuple[float, float]:
    """(mean over lip vertices, maximum over lip vertices) of the distance in mm, mean over frames.

    The maximum is LVE of MeshTalk (Richard et al. 2021, arXiv 2104.08223), unsquared.
    """
    mean, largest, frames = 0.0, 0.0, len(truth)
    for rows in torch.arange(frames).split(256):
        a, b = expressed(head, shape, predicted[rows]), expressed(head, shape, truth[rows])
        distance = 1000.0 * (a - b)[:, head.regions["lips"]].norm(dim=-1)
        mean += float(distance.mean(1).sum())
        largest += float(distance.max(1).values.sum())
    return mean / frames, largest / frames


@torch.no_grad()
def upper_face_motion(head: FlameHead, shape: Tensor, branch: Tensor) -> float:
    """Standard deviation over time, in mm, of the brow points' positions, mean over points (the core of FDD)."""
    points = mesh_points(head, shape, branch, list(BROWS))
    return float(points.var(0, correction=0).sum(-1).sqrt().mean())


def mesh_points(head: FlameHead, shape: Tensor, branch: Tensor, index: list[int]) -> Tensor:
    """Points [N, len(index), 3] of the mesh embedding in mm."""
    embedding = head.embeddings["mesh"].subset(torch.tensor(index))
    parts = [
        embedding.points(expressed(head, shape, branch[rows]), head.faces)
        for rows in torch.arange(len(branch)).split(256)
    ]
    return 1000.0 * torch.cat(parts)
