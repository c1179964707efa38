"""Where a detector's landmarks lie on a head model: rendered faces are shown to the detector and the hits averaged.

Nobody marks a point by hand: every landmark is looked up in the rasteriser's triangle map of each picture in which
the detector found the face, taken back to the unposed template, weighted by how squarely the camera saw it, made
left-right symmetric and put back on the surface.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from models.flame.landmarks import LandmarkEmbedding, nearest_on_surface
from models.flame.raster import Raster, rasterise, vertex_normals
from models.flame.shading import IRIS_RADIUS

Detector = Callable[[np.ndarray], np.ndarray | None]


@dataclass(frozen=True)
class View:
    """One rendered face: picture uint8 RGB [size, size, 3], its camera-frame vertices [V, 3] and focal length (px).

    towards: unit direction [3] from the head to the camera in the head's own axes.
    open_mouth: whether the lips are apart, so that upper and lower lip are told from each other.
    """

    picture: np.ndarray
    vertices: np.ndarray
    focal: float
    towards: np.ndarray
    open_mouth: bool


def embed_mesh(
    views: Iterable[View],
    detector: Detector,
    template: np.ndarray,
    faces: np.ndarray,
    skin: np.ndarray,
    lip_points: np.ndarray,
    points: int,
) -> LandmarkEmbedding:
    """Embedding of the first ``points`` landmarks of ``detector`` on the template [V, 3] with triangles [F, 3].

    skin: bool [F], triangles that may carry a landmark (neither eyeballs nor ears nor the mouth's inside; those
    only hide what is behind them).
    lip_points: landmarks for which only views with an open mouth count.
    Raises ValueError where the detector found the face in fewer than eight views (of either kind).
    """
    hits: list[np.ndarray] = []
    meshes: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    opened: list[bool] = []
    towards: list[np.ndarray] = []
    allowed = faces[skin]
    for view in views:
        found = detector(view.picture)
        if found is None:
            continue
        raster = rasterise(view.vertices, faces, view.focal, view.picture.shape[0], cull_back=True)
        hit, weight = _look_up(found[:points, :2], raster, view, template, faces, skin)
        if not view.open_mouth:
            weight[lip_points] = 0.0
        hits.append(hit)
        meshes.append(found[:points].astype(np.float64) * np.array([1.0, -1.0, -1.0]))
        weights.append(weight)
        opened.append(view.open_mouth)
        towards.append(view.towards)
    if sum(opened) < 8 or len(opened) - sum(opened) < 8:
        raise ValueError(f"the detector found the rendered face in {len(opened)} views only")
    weighted = np.stack(weights) * _outward(np.stack(hits), np.stack(towards), template)
    position, spread = _robust_mean(np.stack(hits), weighted)
    position, asymmetry = _symmetrise(position, mirror_partners(np.stack(meshes), position))
    index, barycentric = nearest_on_surface(
        torch.from_numpy(position), torch.from_numpy(template), torch.from_numpy(allowed)
    )
    uncertainty = torch.from_numpy(np.hypot(spread, asymmetry))
    return LandmarkEmbedding(torch.from_numpy(np.flatnonzero(skin))[index], barycentric, uncertainty)


def embed_irises(
    template: np.ndarray, faces: np.ndarray, eyeballs: list[np.ndarray], eye_joints: np.ndarray
) -> LandmarkEmbedding:
    """Ten iris points in the mesh detector's order: right eye, then left; centre, then the ring's left, top, right
    and bottom (the person's), by construction: an eye at rest looks along z, an iris has a known radius.

    eyeballs: bool [V] of the left and the right one; eye_joints [2, 3] left, right.
    """
    targets, carriers = [], []
    ring = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]]) * IRIS_RADIUS
    for side in (1, 0):
        joint = eye_joints[side]
        ball = template[eyeballs[side]] - joint
        radius = np.linalg.norm(ball, axis=1).mean()
        depth = np.sqrt(radius**2 - np.square(ring).sum(1))
        targets.append(joint + np.concatenate([ring, depth[:, None]], 1))
        carriers.append(np.flatnonzero(eyeballs[side][faces].all(1)))
    index, weights = [], []
    for target, carrier in zip(targets, carriers, strict=True):
        local, barycentric = nearest_on_surface(
            torch.from_numpy(target), torch.from_numpy(template), torch.from_numpy(faces[carrier])
        )
        index.append(torch.from_numpy(carrier)[local])
        weights.append(barycentric)
    return LandmarkEmbedding(torch.cat(index), torch.cat(weights), torch.zeros(10, dtype=torch.float64))


def _look_up(
    points: np.ndarray, raster: Raster, view: View, template: np.ndarray, faces: np.ndarray, skin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Template positions [L, 3] under picture positions [L, 2], and their weights [L] (0 where no skin is near)."""
    size = view.picture.shape[0]
    visible = raster.covered & skin[raster.triangle]
    rows, columns = np.nonzero(visible)
    hit = np.zeros((len(points), 3))
    weight = np.zeros(len(points))
    normals = vertex_normals(view.vertices, faces)
    limit = size / 64
    for i, (u, v) in enumerate(points):
        j, k = int(np.floor(v)), int(np.floor(u))
        if not (0 <= j < size and 0 <= k < size and visible[j, k]):
            # Just off the silhouette or in a gap (the open mouth, an eye): the nearest pixel of skin.
            distance = np.square(rows + 0.5 - v) + np.square(columns + 0.5 - u)
            nearest = distance.argmin()
            if distance[nearest] > limit**2:
                continue
            j, k = rows[nearest], columns[nearest]
        corners = faces[raster.triangle[j, k]]
        barycentric = raster.weights[j, k].astype(np.float64)
        hit[i] = barycentric @ template[corners]
        towards = -(barycentric @ view.vertices[corners])
        normal = barycentric @ normals[corners]
        cosine = (normal @ towards) / (np.linalg.norm(normal) * np.linalg.norm(towards))
        weight[i] = max(cosine, 0.02) ** 2
    return hit, weight


def _outward(hits: np.ndarray, towards: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Factors [N, L] that prefer views from a landmark's own side.

    A mesh detector lays the points of the averted cheek on the visible outline, wherever on the head that is; only
    the side turned to the camera shows where they belong.
    """
    middle = (template.min(0) + template.max(0)) / 2
    lateral = (np.median(hits, 0) - middle) * np.array([1.0, 0.0, 1.0])
    lateral /= np.linalg.norm(lateral, axis=1, keepdims=True)
    return np.exp(10.0 * (towards @ lateral.T - 1.0))


def _robust_mean(hits: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position [L, 3] and RMS spread [L] of hits [N, L, 3], with Cauchy weights of 2 mm against wrong hits."""
    weight = weights[..., None]
    # Start from the median of the better half: a mean of hits on two surfaces lies on neither.
    good = weights >= np.median(weights, 0)
    position = np.nanmedian(np.where(good[..., None], hits, np.nan), 0)
    for _ in range(10):
        robust = weight / (1 + np.square(hits - position).sum(-1, keepdims=True) / 2e-3**2)
        position = (hits * robust).sum(0) / robust.sum(0)
    spread = np.sqrt((np.square(hits - position).sum(-1) * robust[..., 0]).sum(0) / robust[..., 0].sum(0))
    return position, spread


def mirror_partners(meshes: np.ndarray, position: np.ndarray) -> np.ndarray:
    """int64 [L]: the landmark on the other side of the face for each landmark (itself on the middle line).

    meshes [N, L, 3]: what the detector saw, depth included, which is far more symmetric than where its points happen
    to fall on a surface; position [L, 3]: approximate places on the head, whose middle plane is x = 0.
    """
    total = np.zeros_like(position)
    target = position - position.mean(0)
    for mesh in meshes:
        centred = mesh - mesh.mean(0)
        u, s, vt = np.linalg.svd(target.T @ centred)
        sign = np.array([1.0, 1.0, np.linalg.det(u @ vt)])
        total += (s * sign).sum() / np.square(centred).sum() * centred @ ((u * sign) @ vt).T
    shape = total / len(meshes)
    cost = np.square(shape[:, None] - shape[None] * np.array([-1.0, 1.0, 1.0])).sum(-1)
    return linear_sum_assignment(cost)[1]


def _symmetrise(position: np.ndarray, partner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of every point and its partner's mirror image, and half the distance between the two."""
    other = position[partner] * np.array([-1.0, 1.0, 1.0])
    return (position + other) / 2, np.linalg.norm(position - other, axis=1) / 2
