import numpy as np
import torch

from models.flame.camera import project
from models.flame.raster import rasterise, vertex_normals


def test_projection_in_closed_form() -> None:
    points = torch.tensor([[0.0, 0.0, -1.0], [0.1, 0.2, -2.0], [-0.1, -0.2, -0.5]], dtype=torch.float64)
    expected = torch.tensor([[128.0, 128.0], [128 + 500 * 0.05, 128 - 500 * 0.1], [128 - 100, 128 + 200]])
    torch.testing.assert_close(project(points, 500.0, 256), expected.double())


def brute_force(vertices: np.ndarray, faces: np.ndarray, focal: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Ray by ray: intersect the ray through every pixel's centre with every triangle (Moeller & Trumbore 1997)."""
    triangle = np.full((size, size), -1)
    depth = np.full((size, size), np.inf)
    for i in range(size):
        for j in range(size):
            ray = np.array([(j + 0.5 - size / 2) / focal, -(i + 0.5 - size / 2) / focal, -1.0])
            for k, face in enumerate(faces):
                a, b, c = vertices[face]
                normal = np.cross(ray, c - a)
                determinant = normal @ (b - a)
                if abs(determinant) < 1e-15:
                    continue
                u = (normal @ -a) / determinant
                other = np.cross(-a, b - a)
                v = (other @ ray) / determinant
                distance = (other @ (c - a)) / determinant
                if u >= 0 and v >= 0 and u + v <= 1 and 0 < distance < depth[i, j]:
                    triangle[i, j], depth[i, j] = k, distance
    return triangle, depth


def test_rasteriser_against_ray_casting() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.uniform([-0.6, -0.6, -2.0], [0.6, 0.6, -1.0], (24, 3))
    faces = rng.permutation(24).reshape(8, 3)
    raster = rasterise(vertices, faces, 30.0, 32)
    triangle, depth = brute_force(vertices, faces, 30.0, 32)
    assert (triangle >= 0).sum() > 100
    np.testing.assert_array_equal(raster.triangle, triangle)
    hit = triangle >= 0
    np.testing.assert_allclose(raster.depth[hit], depth[hit], rtol=1e-5)
    # The weights are perspective-correct: they give back the point that the pixel's ray hits.
    points = raster.interpolate(vertices, faces)[hit]
    rows, columns = np.nonzero(hit)
    back = project(torch.from_numpy(points), 30.0, 32).numpy()
    np.testing.assert_allclose(back, np.stack([columns, rows], 1) + 0.5, atol=1e-4)


def test_culling_and_the_camera_plane() -> None:
    faces = np.array([[0, 1, 2]])
    front = np.array([[-1.0, -1, -2], [1, -1, -2], [0, 1, -2]])
    assert rasterise(front, faces, 16.0, 16, cull_back=True).covered.any()
    assert not rasterise(front, faces[:, ::-1], 16.0, 16, cull_back=True).covered.any()
    assert rasterise(front, faces[:, ::-1], 16.0, 16).covered.any()
    assert not rasterise(front * [1, 1, -1], faces, 16.0, 16).covered.any()


def test_normals_of_a_tetrahedron_point_outwards() -> None:
    vertices = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    faces = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    np.testing.assert_allclose(vertex_normals(vertices, faces), vertices / np.sqrt(3), atol=1e-12)
