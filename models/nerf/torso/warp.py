"""What of the torso's motion is no affine map: a grid of small, smooth displacements a frame, coarse to fine.

Gauss-Newton on the difference between the steadied picture (its affine part undone) and the template read at
x = y + W(y), with a smoothness term.  A texel depends on the four nodes round it only, so that the normal equations of
all frames come out of one sparse product.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from models.nerf.torso.motion import NODES, moved, warped
from models.nerf.torso.template import (
    COARSE,
    SHARE,
    SIDE,
    TorsoTemplate,
    Views,
    blur,
    gradient,
    grid,
    read,
    robust_spread,
    shrunk,
    tukey,
)


@dataclass(frozen=True)
class Level:
    """side: texels of a side of the pictures.  nodes: of a side of the grid.  blurred: whether pictures and template
    are smoothed first, which reaches further and sees less."""

    side: int
    nodes: int
    blurred: bool


LEVELS = (Level(COARSE, 12, True), Level(SIDE, NODES, False))
"""Coarse to fine: the second starts at what the first found.  Alone it would be drawn to the wrong edge."""

STEPS = 5
SMOOTH = 10.0  # weight of the squared difference of neighbouring nodes; displacements in units of -1..1
PULL = 0.5  # weight of the squared displacement of 12 x 12 nodes
TRUST = 6.0  # Tukey's weights reach so much further than for the affine part: what it left over is no outlier yet
BATCH = 64  # frames at once


class WarpSolver:
    """Measures the displacements of frames against one template, at one level."""

    def __init__(self, template: TorsoTemplate, level: Level):
        self.level = level
        goal = self._prepared(template.picture)
        self.goal = torch.cat([goal, gradient(goal)], dim=1)
        share = shrunk(template.near, level.side).view(-1)
        kept = share > SHARE
        # A level's data weighs against smoothness as if it had COARSE texels a side.
        self.share, self.places = share[kept], grid(level.side)[kept]
        self.area = (COARSE / level.side) ** 2
        corners = _corners(self.places, level.nodes)
        self.active = np.unique(corners.tocoo().col)
        self.nodes = corners.tocsc()[:, self.active]
        count = len(self.active)
        # Only nodes that share a cell share a texel.
        row, column = np.divmod(self.active, level.nodes)
        near = (np.abs(row[:, None] - row) <= 1) & (np.abs(column[:, None] - column) <= 1)
        first, second = np.nonzero(np.triu(near))
        self.first, self.second = torch.from_numpy(first), torch.from_numpy(second)
        self.products = self.nodes[:, first].multiply(self.nodes[:, second]).T.tocsr()  # [pairs, P]
        edges = _differences(level.nodes)
        springs = (edges.T @ edges).toarray()
        rest = np.setdiff1d(np.arange(level.nodes**2), self.active)
        # Nodes that no texel of the torso touches follow their neighbours (harmonic), so that nothing tears at its rim.
        extension = np.zeros((level.nodes**2, count))
        extension[self.active] = np.eye(count)
        if len(rest):
            extension[rest] = np.linalg.solve(springs[np.ix_(rest, rest)], -springs[np.ix_(rest, self.active)])
        pull = PULL * (12 / level.nodes) ** 2
        stiffness = SMOOTH * (extension.T @ springs @ extension) + pull * np.eye(count)
        self.extension = torch.from_numpy(extension).float()
        self.stiffness = torch.block_diag(*[torch.from_numpy(stiffness).float()] * 2)

    def measure(self, views: Views, affine: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """N frames, their affine part [N, 2, 3] and displacements to begin at [N, 2, any K ** 2] -> displacements
        [N, 2, nodes ** 2]."""
        batches = torch.arange(len(views)).split(BATCH)
        parts = [self._measure(views.pick(rows), affine[rows], start[rows]) for rows in batches]
        return torch.cat(parts) if parts else torch.zeros(0, 2, self.level.nodes**2)

    def _measure(self, views: Views, affine: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        frames, count = len(views), len(self.active)
        places = self.places.expand(frames, -1, -1)
        where = moved(affine, places)
        brightness = read(self._prepared(views.pictures), where)[..., 0]
        seen = read(shrunk(views.near, self.level.side), where)[..., 0] * self.share
        nodes = at_nodes(start, self.level.nodes)[:, :, self.active]
        goal = self.goal.expand(frames, -1, -1, -1)
        for _ in range(STEPS):
            value, right, down = read(goal, warped(self._plane(nodes), places)).unbind(-1)
            error = brightness - _matched_light(value, brightness, seen)
            trust = self.area * seen * tukey(error, TRUST * robust_spread(error))
            xx, xy, yy = self._curvature([trust * a for a in (right * right, right * down, down * down)])
            normal = torch.cat([torch.cat([xx, xy], dim=2), torch.cat([xy, yy], dim=2)], dim=1) + self.stiffness
            pull = _sums(self.nodes.T, [trust * error * right, trust * error * down]).transpose(0, 1)
            pull = pull.reshape(frames, -1) - nodes.reshape(frames, -1) @ self.stiffness
            change = torch.cholesky_solve(pull[..., None], torch.linalg.cholesky(normal))
            nodes = nodes + change.view(frames, 2, count)
        return self._plane(nodes)

    def _prepared(self, pictures: torch.Tensor) -> torch.Tensor:
        pictures = shrunk(pictures, self.level.side)
        return blur(pictures) if self.level.blurred else pictures

    def _plane(self, nodes: torch.Tensor) -> torch.Tensor:
        """Displacements [F, 2, count] of the active nodes -> of all [F, 2, nodes ** 2]."""
        return nodes @ self.extension.T

    def _curvature(self, fields: list[torch.Tensor]) -> torch.Tensor:
        """fields [F, P] each -> sums over the texels of every pair of nodes [len(fields), F, count, count]."""
        sums = _sums(self.products, fields)
        count = len(self.active)
        whole = torch.zeros(*sums.shape[:2], count, count)
        whole[..., self.first, self.second] = sums
        whole[..., self.second, self.first] = sums
        return whole


def at_nodes(plane: torch.Tensor, nodes: int = NODES) -> torch.Tensor:
    """Displacements [F, 2, any K ** 2] read at the nodes of another grid: [F, 2, nodes ** 2]."""
    places = grid(nodes).expand(len(plane), -1, -1)
    return (warped(plane, places) - places).transpose(1, 2)


def least_area(plane: torch.Tensor) -> torch.Tensor:
    """Smallest factor [F] by which displacements [F, 2, K ** 2] change an area (the determinant of x = y + W(y),
    between nodes); 0 or less where the picture is folded over itself."""
    nodes = math.isqrt(plane.shape[-1])
    field = plane.view(-1, 2, nodes, nodes) * nodes / 2  # in units of the nodes' distance
    along = (field[..., :-1, 1:] - field[..., :-1, :-1]).unbind(1)
    down = (field[..., 1:, :-1] - field[..., :-1, :-1]).unbind(1)
    return ((1 + along[0]) * (1 + down[1]) - along[1] * down[0]).flatten(1).amin(1)


def _sums(basis: sparse.spmatrix, fields: list[torch.Tensor]) -> torch.Tensor:
    """basis [K, P] and fields [F, P] each -> sums over the texels [len(fields), F, K]."""
    sums = (basis @ torch.cat(fields).numpy().T).T
    return torch.from_numpy(np.ascontiguousarray(sums, np.float32)).view(len(fields), -1, basis.shape[0])


def _matched_light(value: torch.Tensor, brightness: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """value [F, P] times a gain plus an offset a frame: the weighted least-squares fit to ``brightness`` [F, P]."""
    total = weight.sum(1, keepdim=True).clamp(min=1e-6)
    mean_value = (weight * value).sum(1, keepdim=True) / total
    mean_brightness = (weight * brightness).sum(1, keepdim=True) / total
    centred = value - mean_value
    variance = (weight * centred**2).sum(1, keepdim=True).clamp(min=1e-6)
    gain = (weight * centred * (brightness - mean_brightness)).sum(1, keepdim=True) / variance
    return mean_brightness + gain * centred


def _corners(places: torch.Tensor, nodes: int) -> sparse.csr_matrix:
    """Bilinear weights [P, nodes ** 2] of the nodes at places [P, 2], as ``lookup`` reads a plane."""
    steps = ((places.double().numpy() + 1) * nodes / 2 - 0.5).clip(0, nodes - 1)
    low = np.minimum(steps.astype(int), nodes - 2)
    share = steps - low
    rows = np.arange(len(places))
    total = sparse.csr_matrix((len(places), nodes**2))
    for i in (0, 1):
        for j in (0, 1):
            weights = (share[:, 0] if j else 1 - share[:, 0]) * (share[:, 1] if i else 1 - share[:, 1])
            columns = (low[:, 1] + i) * nodes + low[:, 0] + j
            total = total + sparse.csr_matrix((weights, (rows, columns)), shape=total.shape)
    total.eliminate_zeros()
    return total


def _differences(nodes: int) -> sparse.csr_matrix:
    """Differences [E, nodes ** 2] of nodes that are neighbours along x or y."""
    steps = sparse.csr_matrix(np.diff(np.eye(nodes), axis=0))
    whole = sparse.identity(nodes)
    return sparse.vstack([sparse.kron(whole, steps), sparse.kron(steps, whole)]).tocsr()
