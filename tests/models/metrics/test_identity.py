"""Identity embeddings: landmarks reach the network as they are, and the cosine is the cosine."""

from typing import Any

import numpy as np
import pytest

from models.metrics.identity import FaceIdentity, csim


class Network:
    """Answers with what it was given."""

    def compute_face_descriptor(self, picture: np.ndarray, shape: Any) -> list[float]:
        assert picture.flags["C_CONTIGUOUS"]
        self.box = (shape.rect.left(), shape.rect.top(), shape.rect.right(), shape.rect.bottom())
        return [float(v) for point in shape.parts() for v in (point.x, point.y)]


def test_landmarks_and_their_box_reach_the_network():
    points = np.random.default_rng(0).uniform(10, 90, (68, 2))
    network = Network()
    picture = np.zeros((3, 100, 100), np.uint8).transpose(1, 2, 0)
    np.testing.assert_allclose(FaceIdentity(network).embed(picture, points), np.round(points).reshape(-1))
    assert network.box == tuple(np.round([*points.min(0), *points.max(0)]).astype(int))


def test_cosine():
    assert csim(np.array([1.0, 0.0]), np.array([3.0, 0.0])) == pytest.approx(1)
    assert csim(np.array([1.0, 1.0]), np.array([0.0, 2.0])) == pytest.approx(np.sqrt(0.5))
    assert csim(np.array([1.0, 0.0]), np.array([-2.0, 0.0])) == pytest.approx(-1)
