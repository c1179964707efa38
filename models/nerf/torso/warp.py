"""What of the torso's motion is no affine map: a grid of small, smooth displacements a frame.

Gauss-Newton on the difference between the steadied picture (its affine part undone) and the template read at
x = y + W(y), with a smoothness term.  A texel depends on the four nodes round it only, so that the normal equations of
all frames come out of one sparse product.
"""

import numpy as np
import torch
from scipy import sparse

from models.nerf.torso.motion import NODES, moved, warped
from models.nerf.torso.template import (
    SHARE,
    SIDE,
    TorsoTemplate,
    Views,
    blur,
    gradient,
    grid,
    read,
    robust_spread,
    tukey,
)

STEPS = 5
SMOOTH = 10.0  # weight of the squared difference of neighbouring nodes; displacements in units of -1..1
PULL = 0.5  # weight of the squared displacement
TRUST = 6.0  # Tukey's weights reach so much further than for the affine part: what it left over is no outlier yet
BATCH = 64  # frames at once


class WarpSolver:
    """Measures the displacements of frames against one template."""

    def __init__(self, template: TorsoTemplate):
        goal = blur(template.picture)
        self.goal = torch.cat([goal, gradient(goal)], dim=1)
        share = template.near.view(-1)
        self.kept = share > SHARE
        self.share, self.places = share[self.kept], grid(SIDE)[self.kept]
        corners = _corners(self.places)
        self.active = np.unique(corners.tocoo().col)
        self.nodes = corners[:, self.active]
        count = len(self.active)
        pairs = [self.nodes[:, [i]].multiply(self.nodes) for i in range(count)]
        self.products = sparse.hstack(pairs).T.tocsr()  # [count * count, P]
        edges = _differences()
        springs = (edges.T @ edges).toarray()
        rest = np.setdiff1d(np.arange(NODES**2), self.active)
        # Nodes that no texel of the torso touches follow their neighbours (harmonic), so that nothing tears at its rim.
        self.extension = np.zeros((NODES**2, count))
        self.extension[self.active] = np.eye(count)
        if len(rest):
            self.extension[rest] = np.linalg.solve(springs[np.ix_(rest, rest)], -springs[np.ix_(rest, self.active)])
        stiffness = SMOOTH * (self.extension.T @ springs @ self.extension) + PULL * np.eye(count)
        self.stiffness = torch.from_numpy(stiffness).float()

    def measure(self, views: Views, affine: torch.Tensor) -> torch.Tensor:
        """N frames and their affine part [N, 2, 3] -> displacements [N, 2, NODES ** 2]."""
        parts = [self._measure(views.pick(rows), affine[rows]) for rows in torch.arange(len(views)).split(BATCH)]
        return torch.cat(parts) if parts else torch.zeros(0, 2, NODES**2)

    def _measure(self, views: Views, affine: torch.Tensor) -> torch.Tensor:
        frames, count = len(views), len(self.active)
        places = self.places.expand(frames, -1, -1)
        where = moved(affine, places)
        brightness = read(blur(views.pictures), where)[..., 0]
        seen = read(views.near, where)[..., 0] * self.share
        nodes = torch.zeros(frames, 2, count)
        goal = self.goal.expand(frames, -1, -1, -1)
        stiffness = torch.block_diag(self.stiffness, self.stiffness)
        for _ in range(STEPS):
            value, right, down = read(goal, warped(self._plane(nodes), places)).unbind(-1)
            error = brightness - _matched_light(value, brightness, seen)
            trust = seen * tukey(error, TRUST * robust_spread(error))
            fields = [trust * a for a in (right * right, right * down, down * down)]
            xx, xy, yy = self._sums(self.products, fields).view(3, frames, count, count)
            normal = torch.cat([torch.cat([xx, xy], dim=2), torch.cat([xy, yy], dim=2)], dim=1) + stiffness
            pull = self._sums(self.nodes.T, [trust * error * right, trust * error * down]).transpose(0, 1)
            pull = pull.reshape(frames, -1) - nodes.view(frames, -1) @ stiffness
            nodes = nodes + torch.linalg.solve(normal, pull).view(frames, 2, count)
        return self._plane(nodes)

    def _plane(self, nodes: torch.Tensor) -> torch.Tensor:
        """Displacements [F, 2, count] of the active nodes -> of all [F, 2, NODES ** 2]."""
        return nodes @ torch.from_numpy(self.extension).float().T

    @staticmethod
    def _sums(basis: sparse.csr_matrix, fields: list[torch.Tensor]) -> torch.Tensor:
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


def _corners(places: torch.Tensor) -> sparse.csr_matrix:
    """Bilinear weights [P, NODES ** 2] of the nodes at places [P, 2], as ``lookup`` reads a plane."""
    steps = ((places.double().numpy() + 1) * NODES / 2 - 0.5).clip(0, NODES - 1)
    low = np.minimum(steps.astype(int), NODES - 2)
    share = steps - low
    rows = np.arange(len(places))
    total = sparse.csr_matrix((len(places), NODES**2))
    for i in (0, 1):
        for j in (0, 1):
            weights = (share[:, 0] if j else 1 - share[:, 0]) * (share[:, 1] if i else 1 - share[:, 1])
            columns = (low[:, 1] + i) * NODES + low[:, 0] + j
            total = total + sparse.csr_matrix((weights, (rows, columns)), shape=total.shape)
    total.eliminate_zeros()
    return total


def _differences() -> sparse.csr_matrix:
    """Differences [E, NODES ** 2] of nodes that are neighbours along x or y."""
    steps = sparse.csr_matrix(np.diff(np.eye(NODES), axis=0))
    whole = sparse.identity(NODES)
    return sparse.vstack([sparse.kron(whole, steps), sparse.kron(steps, whole)]).tocsr()
