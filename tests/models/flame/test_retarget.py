"""One person's motion on another's head, against rotations made by hand."""

import numpy as np
from scipy.spatial.transform import Rotation

from models.flame.retarget import (
    held,
    mean_rotation,
    reach,
    resting_rows,
    retarget_rotation,
    retarget_values,
)


def test_rest_is_where_the_mouth_is_most_closed() -> None:
    jaw = np.zeros((8, 3))
    jaw[:, 0] = [0.3, 0.1, 0.2, 0.0, 0.4, 0.5, 0.6, 0.7]
    np.testing.assert_array_equal(resting_rows(jaw), [1, 3])
    np.testing.assert_array_equal(resting_rows(jaw[:1]), [0])


def test_only_the_difference_from_rest_is_taken_over() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 4))
    moved = retarget_values(values, values[0], np.full(4, 7.0))
    np.testing.assert_allclose(moved[0], 7)
    np.testing.assert_allclose(np.diff(moved, axis=0), np.diff(values, axis=0))


def test_a_turn_is_the_same_turn_from_another_rest() -> None:
    rest, other = np.array([0.1, -0.2, 0.05]), np.array([-0.15, 0.3, 0.0])
    turns = Rotation.from_rotvec([[0, 0, 0], [0, 0.08, 0], [0.05, 0, 0.02]])
    moved = retarget_rotation((turns * Rotation.from_rotvec(rest)).as_rotvec(), rest, other, limit=10.0)
    expected = (turns * Rotation.from_rotvec(other)).as_rotvec()
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def test_a_turn_is_held_below_the_limit() -> None:
    wide = np.array([[0, 1.2, 0], [0, 0.02, 0]])
    moved = retarget_rotation(wide, np.zeros(3), np.zeros(3), limit=0.4)
    assert 0.38 < np.linalg.norm(moved[0]) < 0.4
    np.testing.assert_allclose(moved[1], wide[1], rtol=2e-3)
    np.testing.assert_array_equal(held(np.zeros((2, 3)), 0.4), np.zeros((2, 3)))


def test_reach_follows_ones_own_motion_between_bounds() -> None:
    own = np.array([[0.1, 0, 0]] * 10)
    np.testing.assert_allclose(reach(own, 0.01, 1.0), 0.15)
    assert reach(own, 0.2, 1.0) == 0.2
    assert reach(100 * own, 0.2, 1.0) == 1.0


def test_mean_rotation() -> None:
    pair = np.array([[0, 0.1, 0], [0, 0.3, 0]])
    np.testing.assert_allclose(mean_rotation(pair), [0, 0.2, 0], atol=1e-12)
