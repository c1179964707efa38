"""Polygons and head axes, on a made-up face whose geometry is known."""

import numpy as np
import pytest

from models.parsing.evidence import Geometry
from models.parsing.outline import (
    CHIN,
    EAR_LOBES,
    FACE_OVAL,
    FOREHEAD,
    NOSE_BASE,
    TEMPLES,
    head_axes,
    hull,
    lobe_line,
    polygon,
)

SHAPE = (200, 240)
CENTRE, HALF = np.array([120.0, 100.0]), np.array([36.0, 50.0])


def made_face(angle: float = 0.0) -> np.ndarray:
    """478 points whose oval is an ellipse 72 by 100 px, turned by ``angle`` degrees clockwise in the picture."""
    points = np.zeros((478, 3), np.float32)
    t = np.arange(36) / 36 * 2 * np.pi
    # The oval runs from the forehead over the picture's right.
    points[list(FACE_OVAL), :2] = CENTRE + np.stack([HALF[0] * np.sin(t), -HALF[1] * np.cos(t)], 1)
    points[NOSE_BASE, :2] = CENTRE + np.array([0, 12])
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points[:, :2] = (points[:, :2] - CENTRE) @ matrix.T + CENTRE
    return points


def test_area_and_place_of_a_polygon():
    mask = polygon(made_face(), FACE_OVAL, SHAPE)
    # OpenCV counts pixels that the edge touches as inside: up to half a pixel more all round.
    assert 1.0 < mask.sum() / (np.pi * HALF[0] * HALF[1]) < 1.03
    y, x = np.nonzero(mask)
    assert (x + 0.5).mean() == pytest.approx(CENTRE[0], abs=0.2)
    assert (y + 0.5).mean() == pytest.approx(CENTRE[1], abs=0.2)


def test_hull_of_scattered_points():
    corners = np.array([[20, 30], [80, 30], [80, 90], [20, 90], [50, 50]], np.float32)
    mask = hull(corners, SHAPE)
    assert mask.sum() == pytest.approx(3600, rel=0.05)
    assert mask[60, 50]
    assert not mask[95, 50]


def test_polygons_outside_the_picture_are_empty():
    points = made_face()
    points[:, :2] += 10000
    assert not polygon(points, FACE_OVAL, SHAPE).any()


@pytest.mark.parametrize("angle", [0, 20, -35, 90])
def test_axes_turn_with_the_head(angle):
    points = made_face(angle)
    axes = head_axes(points)
    assert axes.unit == pytest.approx(62 / 0.62, rel=1e-3)

    def at(index):
        return axes.matrix @ [*points[index, :2], 1]

    assert (at(TEMPLES[0]) + at(TEMPLES[1])) / 2 == pytest.approx([0, 0], abs=1e-4)
    assert at(FOREHEAD)[1] > 0 > at(CHIN)[1]
    assert at(FOREHEAD)[1] - at(CHIN)[1] == pytest.approx(1.0, abs=1e-3)
    assert at(TEMPLES[1])[0] > 0  # the person's left is on the picture's right
    there_and_back = axes.to_picture() @ [*at(CHIN), 1]
    assert there_and_back == pytest.approx(points[CHIN, :2], abs=1e-3)


@pytest.mark.parametrize("angle", [0, 25, -25])
def test_the_lobe_line_parts_head_from_neck(angle):
    points = made_face(angle)
    axes = head_axes(points)
    distance = lobe_line(points, axes, SHAPE)

    def value(xy):
        return distance[int(xy[1]), int(xy[0])]

    assert value(points[FOREHEAD, :2]) > 0.5
    assert value(points[CHIN, :2]) < -0.1
    for lobe in EAR_LOBES:
        assert abs(value(points[lobe, :2])) < 0.02


def test_geometry_gathers_them():
    geometry = Geometry.of(made_face(), SHAPE)
    assert geometry.u.shape == geometry.v.shape == geometry.oval.shape == geometry.above.shape == SHAPE
    assert geometry.v[20, 120] > geometry.v[150, 120]
    assert geometry.u[100, 200] > geometry.u[100, 100]
