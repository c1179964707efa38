"""The head mesh seen from the front: a height field over the head frame's x, y.

A monocular talking head shows its front.  Over (x, y) of the head frame the rest mesh is a height field z = h(x, y),
and what an expression does to it is a displacement map D(x, y) that follows from the posed vertices by fixed
barycentric weights.  A ray meets the displaced surface after a few fixed-point steps: that replaces a rasteriser,
gives the sampling shell its centre, and undoes the expression (canonical = observed - D).

Beyond the silhouette (hair, collar) height and displacement are continued from the nearest texel of the mesh, the
displacement fading with distance.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage, sparse

from models.nerf import kernels
from models.nerf.planes import lookup

FADE = 0.03  # metres beyond the silhouette over which displacement dies out
RELAXATION = 0.8  # of the fixed-point steps
STEEPEST = -0.35  # z of a ray in the head frame beyond which the height field is no longer met from the front


@dataclass
class FrontMap:
    """Resolution M x M over the box ``centre`` +- ``half`` (metres, head frame).

    vertices int64 [M, M, 3] and weights float32 [M, M, 3]: barycentric recipe of each texel (nearest one beyond the
    silhouette); height float32 [M, M]: z of the rest surface; fade float32 [M, M]: 1 on the mesh, to 0 beside it.
    Row i lies at y = centre_y + half_y * ((i + .5) * 2 / M - 1), so rows ascend with y.
    """

    centre: torch.Tensor  # [3]
    half: torch.Tensor  # [3]
    vertices: torch.Tensor
    weights: torch.Tensor
    height: torch.Tensor
    fade: torch.Tensor

    def _recipe(self, vertices: int) -> sparse.csr_matrix:
        """The barycentric recipe, faded, as a sparse matrix [M * M, V]."""
        count = self.fade.numel()
        values = (self.weights * self.fade[..., None]).reshape(-1).numpy()
        columns = self.vertices.reshape(-1).numpy()
        return sparse.csr_matrix((values, columns, np.arange(count + 1) * 3), shape=(count, vertices))

    def displacement(self, posed: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
        """posed [F, V, 3] and rest [V, 3] vertices in the head frame -> displacement maps [F, 3, M, M] in metres."""
        side = len(self.height)
        moved = (posed - rest).permute(1, 0, 2).reshape(len(rest), -1).cpu().numpy()
        maps = torch.from_numpy(self._recipe(len(rest)) @ moved).view(side, side, len(posed), 3).permute(2, 3, 0, 1)
        # Texels of different triangles meet at the lips: one blur keeps the fixed point of the inverse stable.
        return torch.nn.functional.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)


def build_front_map(
    rest: np.ndarray, faces: np.ndarray, resolution: int = 96, margin: tuple[float, float, float] = (0.05, 0.06, 0.05)
) -> FrontMap:
    """Front map of a rest mesh: vertices float [V, 3] (metres, head frame) and faces int [F, 3].

    margin: metres round the mesh's bounding box along x, y, z, for hair.  Raises ValueError for a mesh without faces.
    """
    if len(faces) == 0:
        raise ValueError("the head mesh has no faces")
    low, high = rest.min(0) - margin, rest.max(0) + margin
    centre, half = (low + high) / 2, (high - low) / 2
    texels = ((rest[:, :2] - centre[:2]) / half[:2] + 1) * resolution / 2 - 0.5
    triangle, weights, depth = _rasterise(texels, rest[:, 2], faces, resolution)
    covered = triangle >= 0
    distance, (rows, columns) = ndimage.distance_transform_edt(
        ~covered, sampling=(2 * half[1] / resolution, 2 * half[0] / resolution), return_indices=True
    )
    smooth = depth[rows, columns]
    for sigma in (4.0, 2.0):  # continue the silhouette's depth without its notches
        blurred = ndimage.gaussian_filter(smooth, sigma, mode="nearest")
        smooth = np.where(covered, smooth, blurred)
    return FrontMap(
        centre=torch.tensor(centre, dtype=torch.float32),
        half=torch.tensor(half, dtype=torch.float32),
        vertices=torch.tensor(faces[triangle[rows, columns]].astype(np.int64)),
        weights=torch.tensor(weights[rows, columns], dtype=torch.float32),
        height=torch.tensor(smooth, dtype=torch.float32),
        fade=torch.tensor(np.exp(-((distance / FADE) ** 2)), dtype=torch.float32),
    )


def _rasterise(
    points: np.ndarray, z: np.ndarray, faces: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthographic z-buffer, largest z in front.  points [V, 2] in texels; returns triangle [M, M] (-1: none),
    barycentric weights [M, M, 3] and depth [M, M].  One pass over the triangles: a rest mesh is drawn once."""
    triangle = np.full((size, size), -1, np.int64)
    weights = np.zeros((size, size, 3))
    depth = np.full((size, size), -np.inf)
    for index, (a, b, c) in enumerate(faces):
        pa, pb, pc = points[a], points[b], points[c]
        area = (pb[0] - pa[0]) * (pc[1] - pa[1]) - (pb[1] - pa[1]) * (pc[0] - pa[0])
        if abs(area) < 1e-9:
            continue
        corners = np.stack([pa, pb, pc])
        x0, y0 = np.maximum(np.ceil(corners.min(0)).astype(int), 0)
        x1, y1 = np.minimum(np.floor(corners.max(0)).astype(int), size - 1)
        if x1 < x0 or y1 < y0:
            continue
        y, x = np.mgrid[y0 : y1 + 1, x0 : x1 + 1]
        wb = ((x - pa[0]) * (pc[1] - pa[1]) - (y - pa[1]) * (pc[0] - pa[0])) / area
        wc = ((pb[0] - pa[0]) * (y - pa[1]) - (pb[1] - pa[1]) * (x - pa[0])) / area
        w = np.stack([1 - wb - wc, wb, wc], -1)
        height = w @ np.array([z[a], z[b], z[c]])
        window = (slice(y0, y1 + 1), slice(x0, x1 + 1))
        front = (w >= -1e-6).all(-1) & (height > depth[window])
        depth[window] = np.where(front, height, depth[window])
        triangle[window] = np.where(front, index, triangle[window])
        weights[window] = np.where(front[..., None], w, weights[window])
    return triangle, weights, depth


def meet_surface(
    origin: torch.Tensor,
    directions: torch.Tensor,
    surface: torch.Tensor,
    displacement: torch.Tensor,
    centre: torch.Tensor,
    half: torch.Tensor,
    steps: int = 4,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where rays meet the displaced height field, by damped fixed-point steps.

    origin [F, 1, 3], directions [F, N, 3] in the head frame; surface [1, 1, M, M] rest heights; displacement
    [F, 3, M, M]; centre, half [3].  Returns depth along the ray [F, N], the displacement there [F, N, 3] and the
    observed x, y there in box units [F, N, 2] (outside -1..1: the ray misses the head's box).
    """
    if kernels.fused(directions) and not torch.is_grad_enabled():
        from models.nerf.kernels.surface import meet_surface as fused

        return fused(origin, directions, surface, displacement, centre, half, steps, STEEPEST, RELAXATION)
    maps = torch.cat([surface.expand(len(displacement), -1, -1, -1), displacement], dim=1)
    # A ray nearly parallel to the face plane has no stable fixed point: keep it from running away.
    slope = directions[..., 2].clamp(max=STEEPEST)
    depth = (surface.mean() - origin[..., 2]) / slope
    moved = torch.zeros_like(directions)
    for _ in range(steps):
        points = origin + depth[..., None] * directions
        canonical = (points[..., :2] - moved[..., :2] - centre[:2]) / half[:2]
        values = lookup(maps, canonical.clamp(-1, 1))
        moved = values[:, 1:].transpose(1, 2)
        depth = depth + RELAXATION * (values[:, 0] + values[:, 3] - points[..., 2]) / slope
    points = origin + depth[..., None] * directions
    return depth, moved, (points[..., :2] - centre[:2]) / half[:2]
