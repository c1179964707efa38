"""Landmarks as points on the head's surface: a triangle and barycentric weights for each."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LandmarkEmbedding:
    """faces int64 [L]: triangle of every landmark; weights [L, 3]: barycentric, rows sum to one.

    uncertainty [L]: how far apart (metres, RMS) the observations lay from which the point was found.
    """

    faces: Tensor
    weights: Tensor
    uncertainty: Tensor

    def __len__(self) -> int:
        return len(self.faces)

    def subset(self, index: Tensor) -> "LandmarkEmbedding":
        """The landmarks ``index`` in that order."""
        return LandmarkEmbedding(self.faces[index], self.weights[index], self.uncertainty[index])

    def points(self, vertices: Tensor, faces: Tensor) -> Tensor:
        """Landmark positions [..., L, 3] on vertices [..., V, 3] with triangles [F, 3]."""
        corners = vertices[..., faces[self.faces], :]  # [..., L, 3 corners, 3]
        return (corners * self.weights.to(vertices)[..., None]).sum(-2)


TIE = 1e-14
"""Square metres: squared distances closer than this are equal."""


def nearest_on_surface(points: Tensor, vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Triangle index [L] and barycentric weights [L, 3] of the surface point nearest to every point [L, 3].

    Exact (Ericson, "Real-Time Collision Detection", 2005, section 5.1.5); triangles whose bounding sphere is farther
    away than the nearest corner are passed over.
    """
    corners = vertices[faces]
    centres = corners.mean(1)
    radii = (corners - centres[:, None]).norm(dim=-1).amax(1)
    best_faces, best_weights = [], []
    for point in points:
        bound = (corners - point).square().sum(-1).min().sqrt()
        near = torch.nonzero((centres - point).norm(dim=-1) - radii <= bound)[:, 0]
        weights = _nearest_weights(point, corners[near])
        distance = ((weights[..., None] * corners[near]).sum(1) - point).square().sum(-1)
        # A point on an edge is equally near to two triangles: the first one, whatever the last bits of a machine say.
        index = torch.nonzero(distance <= distance.min() + TIE)[0, 0]
        best_faces.append(near[index])
        best_weights.append(weights[index])
    return torch.stack(best_faces), torch.stack(best_weights)


def _nearest_weights(point: Tensor, corners: Tensor) -> Tensor:
    """Barycentric weights [F, 3] of the point nearest to ``point`` on each triangle [F, 3, 3]."""
    a, b, c = corners.unbind(1)
    ab, ac, ap = b - a, c - a, point - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    determinant = (d00 * d11 - d01 * d01).clamp_min(1e-30)
    v, w = (d11 * d20 - d01 * d21) / determinant, (d00 * d21 - d01 * d20) / determinant
    inside = torch.stack([1 - v - w, v, w], -1)
    candidates = [inside]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        p, q = corners[:, i], corners[:, j]
        s = (((point - p) * (q - p)).sum(-1) / (q - p).square().sum(-1).clamp_min(1e-30)).clamp(0, 1)
        edge = torch.zeros_like(inside)
        edge[:, i], edge[:, j] = 1 - s, s
        candidates.append(edge)
    stacked = torch.stack(candidates, 1)  # [F, 4, 3]
    distance = ((stacked[..., None] * corners[:, None]).sum(2) - point).square().sum(-1)
    outside = (inside < 0).any(-1)
    distance[:, 0] = torch.where(outside, torch.full_like(distance[:, 0], torch.inf), distance[:, 0])
    return stacked[torch.arange(len(stacked)), distance.argmin(1)]
