"""Turn, mouth and hands from points whose answer is known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from models.quality.face_pose import covered_share, mouth_shape, turn


def mesh(opening: float = 0.0, degrees: float = 0.0, size: float = 100.0) -> np.ndarray:
    """One face [1, 478, 3] of a few named points, in the mesh's axes: x right, y down, z away from the camera."""
    points = np.zeros((478, 3))
    points[[234, 454]] = [[-0.7, 0, 0.3], [0.7, 0, 0.3]]
    points[[33, 263]] = [[-0.45, -0.2, 0], [0.45, -0.2, 0]]
    points[[168, 2]] = [[0, -0.2, -0.1], [0, 0.3, -0.1]]
    points[[61, 291]] = [[-0.25, 0.55, 0], [0.25, 0.55, 0]]
    for above, below in ((13, 14), (82, 87), (312, 317), (0, 17)):
        points[[above, below], 1] = 0.55 - opening / 2, 0.55 + opening / 2
    turned = Rotation.from_euler("y", degrees, degrees=True).apply(points)
    return (size * turned[None] + 200).astype(np.float32)


@pytest.mark.parametrize("degrees", [-50.0, -20.0, 0.0, 10.0, 45.0])
def test_the_turn_of_the_head(degrees):
    assert abs(turn(mesh(degrees=degrees))[0]) == pytest.approx(abs(degrees), abs=0.1)
    if degrees:
        assert turn(mesh(degrees=degrees))[0] * turn(mesh(degrees=-degrees))[0] < 0


def test_the_mouth_does_not_depend_on_the_size_of_the_picture():
    small, large = mouth_shape(mesh(0.2, size=50)), mouth_shape(mesh(0.2, size=300))
    np.testing.assert_allclose(small, large, rtol=1e-4)
    assert mouth_shape(mesh(0.0))[0, 0] == pytest.approx(0, abs=1e-4)
    assert large[0, 0] == pytest.approx(0.2 / np.sqrt(0.9 * 0.5), rel=1e-3)


def test_a_face_that_was_not_seen_stays_unknown():
    assert np.isnan(turn(np.full((1, 478, 3), np.nan))).all()
    assert np.isnan(mouth_shape(np.full((1, 478, 3), np.nan))).all()


def test_how_much_of_the_lips_a_hand_covers():
    lips = np.array([[100, 100], [140, 100], [140, 120], [100, 120]], np.float32)
    hand = np.array([[120, 60], [200, 60], [200, 160], [120, 160]], np.float32)
    assert covered_share(lips, []) == 0.0
    assert covered_share(lips, [hand + np.float32([200, 0])]) == 0.0
    assert covered_share(lips, [hand]) == pytest.approx(0.5, abs=0.05)
    assert covered_share(lips, [hand, hand - [60, 0]]) == 1.0
