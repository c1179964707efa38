"""A small z-buffer rasteriser: which triangle covers each pixel, where in it, and how far away.

For overlays, label maps and landmark embedding; plain numpy, not differentiable.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Raster:
    """triangle int32 [H, W]: index of the nearest triangle, -1 where there is none.

    weights float32 [H, W, 3]: perspective-correct barycentric weights of its corners (0 where there is none).
    depth float32 [H, W]: distance along the optical axis in metres (inf where there is none).
    """

    triangle: np.ndarray
    weights: np.ndarray
    depth: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """bool [H, W]."""
        return self.triangle >= 0

    def interpolate(self, values: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """Vertex values [V, C] at every pixel: float32 [H, W, C], 0 where no triangle is."""
        picture = np.zeros((*self.triangle.shape, values.shape[1]), np.float32)
        mask = self.covered
        corners = values[faces[self.triangle[mask]]]
        picture[mask] = (corners * self.weights[mask][:, :, None]).sum(1)
        return picture


def rasterise(
    vertices: np.ndarray, faces: np.ndarray, focal: float, size: int, cull_back: bool = False, near: float = 1e-3
) -> Raster:
    """Rasterise camera-frame vertices [V, 3] (models/flame/camera.py) with triangles int [F, 3] at ``size``².

    A pixel belongs to a triangle that holds its centre; edges count as inside.  Triangles with a corner nearer
    than ``near`` metres are left out.  cull_back: leave out triangles seen from behind (clockwise in the picture
    with v down means: counter-clockwise seen from outside).
    """
    vertices = np.asarray(vertices, np.float64)
    depth = -vertices[:, 2]
    safe = np.maximum(depth, near)
    uv = np.stack(
        [size / 2 + focal * vertices[:, 0] / safe - 0.5, size / 2 - focal * vertices[:, 1] / safe - 0.5], 1
    )  # pixel centres at integers
    a, b, c = (uv[faces[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    low = np.ceil(np.minimum(np.minimum(a, b), c)).clip(0, size).astype(np.int64)
    high = np.floor(np.maximum(np.maximum(a, b), c)).clip(-1, size - 1).astype(np.int64)
    extent = np.maximum(high - low + 1, 0)
    keep = (extent.prod(1) > 0) & (np.abs(area) > 1e-12) & (depth[faces].min(1) > near)
    if cull_back:
        keep &= area < 0
    index = np.flatnonzero(keep)
    # One row per candidate pixel of every triangle's bounding box.
    counts = extent[index].prod(1)
    triangle = np.repeat(index, counts)
    rank = np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = extent[triangle, 0]
    x = low[triangle, 0] + rank % width
    y = low[triangle, 1] + rank // width
    pa, pb, pc = a[triangle], b[triangle], c[triangle]
    w0 = (pb[:, 0] - x) * (pc[:, 1] - y) - (pb[:, 1] - y) * (pc[:, 0] - x)
    w1 = (pc[:, 0] - x) * (pa[:, 1] - y) - (pc[:, 1] - y) * (pa[:, 0] - x)
    screen = np.stack([w0, w1], 1) / area[triangle, None]
    screen = np.concatenate([screen, 1 - screen.sum(1, keepdims=True)], 1)
    inside = (screen >= -1e-9).all(1)
    triangle, x, y, screen = triangle[inside], x[inside], y[inside], screen[inside]
    inverse = screen / depth[faces[triangle]]
    distance = 1 / inverse.sum(1)
    weights = inverse * distance[:, None]
    # Far to near, so that the nearest is written last; equal depths go to the lower triangle index.
    order = np.lexsort((-triangle, -distance))
    pixel = (y * size + x)[order]
    picture = np.full(size * size, -1, np.int32)
    picture_weights = np.zeros((size * size, 3), np.float32)
    picture_depth = np.full(size * size, np.inf, np.float32)
    picture[pixel] = triangle[order]
    picture_weights[pixel] = weights[order]
    picture_depth[pixel] = distance[order]
    return Raster(
        picture.reshape(size, size), picture_weights.reshape(size, size, 3), picture_depth.reshape(size, size)
    )


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [V, 3], area-weighted over the triangles [F, 3] round every vertex."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], face_normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
