"""Faces with something before them, told by the colours under the mesh."""

import numpy as np
import pytest

from models.landmarks.face_mesh import LANDMARKS
from models.landmarks.occlusion import FEWEST, MARGIN, SKIN, covered, ninths, sample_colours, strange_points

FRAMES, SIZE = 60, 128


@pytest.fixture
def clip() -> tuple[np.ndarray, np.ndarray]:
    """Pictures [N, H, W, 3] of a coloured "face" that moves about and grows darker, and the mesh [N, 478, 3] on it."""
    rng = np.random.default_rng(0)
    place = rng.uniform(-25, 25, (LANDMARKS, 2))
    face = np.kron(rng.integers(80, 200, (8, 8, 3)), np.ones((8, 8, 1)))
    pictures = np.full((FRAMES, SIZE, SIZE, 3), 90.0)
    mesh = np.zeros((FRAMES, LANDMARKS, 3), np.float32)
    for i in range(FRAMES):
        left, top = 24 + i // 6, 30 + i // 10
        pictures[i, top : top + 64, left : left + 64] = face * (1 - 0.2 * i / FRAMES)
        mesh[i, :, :2] = place + np.array([left + 32, top + 32])
    return (pictures + rng.normal(0, 3, pictures.shape)).clip(0, 255).astype(np.uint8), mesh


def colours_of(pictures: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    return np.stack([sample_colours(picture, points) for picture, points in zip(pictures, mesh, strict=True)])


def test_colours_are_those_under_the_points(clip: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, mesh = clip
    found = sample_colours(pictures[0], mesh[0])
    x, y = mesh[0, 7, :2].astype(int)
    np.testing.assert_allclose(found[7], pictures[0, y - 1 : y + 2, x - 1 : x + 2].mean((0, 1)), atol=1.0)
    outside = mesh[0] + 1000
    np.testing.assert_allclose(sample_colours(pictures[0], outside), 90, atol=10)


def test_an_open_face_is_not_covered(clip: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, mesh = clip
    colours = colours_of(pictures, mesh)
    assert not covered(colours, mesh).any()
    dimmed = colours.copy()
    dimmed[30:] = (dimmed[30:].astype(int) - 30).clip(0)  # a lamp goes out: the whole face darkens
    assert not covered(dimmed, mesh).any()


@pytest.mark.parametrize("rows", [slice(30, 62), slice(62, 94), slice(30, 94)])
def test_a_covered_face_is_marked_with_a_margin(clip: tuple[np.ndarray, np.ndarray], rows: slice) -> None:
    pictures, mesh = clip
    pictures[20:26, rows] = (30, 120, 60)
    mesh[5] = np.nan
    expected = np.zeros(FRAMES, bool)
    expected[20 - MARGIN : 26 + MARGIN] = True
    colours = colours_of(pictures, np.nan_to_num(mesh))
    np.testing.assert_array_equal(covered(colours, mesh), expected)


def test_frames_without_a_face_are_not_called_covered(clip: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, mesh = clip
    pictures[20:26] = (30, 120, 60)
    mesh[18:27] = np.nan
    assert not covered(colours_of(pictures, np.nan_to_num(mesh)), mesh).any()


def test_too_few_frames_say_nothing(clip: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, mesh = clip
    pictures[3] = (30, 120, 60)
    few = FEWEST - 1
    assert not covered(colours_of(pictures[:few], mesh[:few]), mesh[:few]).any()


def test_strange_points_are_the_covered_ones(clip: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, mesh = clip
    pictures[40, :, :48] = (30, 120, 60)
    strange = strange_points(colours_of(pictures, mesh), np.ones(FRAMES, bool))[40]
    under = mesh[40, : len(strange), 0] < 46
    assert strange[under].mean() > 0.8
    assert strange[~under & (mesh[40, : len(strange), 0] > 51)].mean() < 0.2


def test_ninths_part_the_face_evenly(clip: tuple[np.ndarray, np.ndarray]) -> None:
    where = ninths(clip[1])
    assert len(where) == len(SKIN)
    assert set(where) == set(range(9))
    x, y = clip[1][0, SKIN, :2].T
    assert x[where % 3 == 0].max() < x[where % 3 == 2].min()
    assert y[where // 3 == 0].max() < y[where // 3 == 2].min()
