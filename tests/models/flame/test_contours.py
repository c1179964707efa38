"""Regions within outlines, on a dome: a face whose every vertex is known."""

import numpy as np

from models.flame.contours import brow_band, face_vertices, inside, lip_vertices, seen_from_front


def dome() -> tuple[np.ndarray, np.ndarray]:
    """A hemisphere-like sheet over [-0.1, 0.1]², and the same once more 3 cm behind it; triangles of both."""
    side = np.linspace(-0.1, 0.1, 41)
    x, y = np.meshgrid(side, side)
    front = np.stack([x, y, 0.1 - 4 * (x**2 + y**2)], -1).reshape(-1, 3)
    index = np.arange(41 * 41).reshape(41, 41)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return np.concatenate([front, front - [0, 0, 0.03]]), np.concatenate([faces, faces + len(front)])


def on_dome(xy: np.ndarray) -> np.ndarray:
    return np.concatenate([xy, 0.1 - 4 * np.square(xy).sum(1, keepdims=True)], 1)


def ring(count: int, radius: float, centre: tuple[float, float] = (0, 0)) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1) + centre


def test_points_in_a_concave_polygon() -> None:
    corner = np.array([[0, 0], [4, 0], [4, 1], [1, 1], [1, 4], [0, 4]], float)
    points = np.array([[0.5, 0.5], [3, 0.5], [0.5, 3], [2, 2], [-1, 0.5], [5, 0.5], [0.5, 5]])
    np.testing.assert_array_equal(inside(corner, points), [True, True, True, False, False, False, False])


def test_face_is_the_visible_skin_within_its_oval_whatever_its_order() -> None:
    template, faces = dome()
    oval = on_dome(ring(36, 0.07))[np.random.default_rng(0).permutation(36)]
    found = face_vertices(template, faces, oval)
    radius = np.linalg.norm(template[:, :2], axis=1)
    front = np.arange(len(template)) < 41 * 41
    assert found[front & (radius < 0.069)].all()
    assert not found[~front | (radius > 0.071)].any()
    np.testing.assert_array_equal(seen_from_front(template, faces), front)


def test_lips_and_brows() -> None:
    template, _ = dome()
    ibug = np.full((68, 3), 9.0)
    ibug[48:60], ibug[60:68] = on_dome(ring(12, 0.025, (0, -0.04))), on_dome(ring(8, 0.012, (0, -0.04)))
    ibug[17:22] = on_dome(np.stack([np.linspace(-0.05, -0.02, 5), np.full(5, 0.05)], 1))
    ibug[22:27] = on_dome(np.stack([np.linspace(0.02, 0.05, 5), np.full(5, 0.05)], 1))
    lips = lip_vertices(template, ibug)
    front = np.arange(len(template)) < 41 * 41
    distance = np.linalg.norm(template[:, :2] - [0, -0.04], axis=1)
    np.testing.assert_array_equal(lips[distance < 0.024], front[distance < 0.024])
    assert not lips[distance > 0.025].any()
    band = brow_band(template, ibug)
    on_brow = front & (np.abs(template[:, 1] - 0.05) < 1e-9) & (np.abs(np.abs(template[:, 0]) - 0.035) < 0.016)
    assert on_brow.sum() > 8
    assert (band[on_brow] > 0.99).all()
    assert band[np.abs(template[:, 1]) < 0.03].max() < 1e-3
