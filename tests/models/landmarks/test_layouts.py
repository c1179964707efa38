"""The two sets of landmarks agree on what they name."""

import numpy as np
import pytest

from models.landmarks.ibug68 import MESH_TO_IBUG68
from models.landmarks.layouts import IBUG68, MESH, LandmarkLayout, layout_of, pair_distance, to_ibug68


def test_a_set_is_told_by_its_number_of_points() -> None:
    assert layout_of(np.zeros((5, 478, 3))) is MESH
    assert layout_of(np.zeros((68, 2))) is IBUG68
    with pytest.raises(ValueError, match="no set of landmarks has 51 points: 478 or 68"):
        layout_of(np.zeros((51, 2)))


def test_both_come_as_ibug() -> None:
    mesh = np.random.default_rng(0).normal(size=(2, 478, 3))
    np.testing.assert_array_equal(to_ibug68(mesh), mesh[:, MESH_TO_IBUG68])
    np.testing.assert_array_equal(to_ibug68(mesh[:, :68]), mesh[:, :68])


@pytest.mark.parametrize("layout", [MESH, IBUG68])
def test_every_index_is_a_point(layout: LandmarkLayout) -> None:
    for index, weight in layout.trust:
        assert 0 <= index.min() <= index.max() < layout.points
        assert weight > 0
    for index in layout.groups.values():
        assert 0 <= index.min() <= index.max() < layout.points
    assert layout.surface.stop <= layout.points
    assert layout.irises == ("iris" in layout.groups)


def test_the_same_places_are_meant_by_both() -> None:
    for name in ("face_width", "eye_distance", "inner_lips"):
        mesh, ibug = getattr(MESH, name), getattr(IBUG68, name)
        if name == "face_width":
            # iBUG's jaw line ends above the mesh's widest points.
            assert {MESH_TO_IBUG68[ibug[0]], MESH_TO_IBUG68[ibug[1]]} == {127, 356}
        else:
            assert tuple(MESH_TO_IBUG68[list(ibug)]) == mesh


def test_a_distance_is_the_median_over_the_frames_that_have_it() -> None:
    points = np.zeros((4, 68, 2))
    points[:, 45, 0] = [10, 12, 30, 0]
    points[3] = np.nan
    assert pair_distance(points, IBUG68.eye_distance) == 12
