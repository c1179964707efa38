"""The temporal vote against a plain average over the window."""

import numpy as np
import pytest

from models.parsing.vote import vote

WEIGHTS = (1.0, 2.0, 3.0, 2.0, 1.0)


def reference(scores, mattes, i):
    total, share, matte, matte_share = 0.0, 0.0, 0.0, 0.0
    for offset, weight in zip(range(-2, 3), WEIGHTS, strict=True):
        j = i + offset
        if 0 <= j < len(scores):
            matte, matte_share = matte + weight * mattes[j], matte_share + weight
            if scores[j] is not None:
                total, share = total + weight * scores[j], share + weight
    return None if scores[i] is None else total / share, matte / matte_share


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 13])
@pytest.mark.parametrize("gaps", [(), (0,), (2, 3), (12,)])
def test_against_a_plain_average(count, gaps):
    rng = np.random.default_rng(count)
    scores = [None if i in gaps else rng.normal(size=(3, 4, 2)).astype(np.float32) for i in range(count)]
    mattes = [rng.uniform(size=(3, 4)).astype(np.float32) for _ in range(count)]
    result = list(vote(zip(range(count), scores, mattes, strict=True), WEIGHTS))
    assert [item for item, _, _ in result] == list(range(count))
    for i, (_, voted, matte) in enumerate(result):
        expected, expected_matte = reference(scores, mattes, i)
        assert (voted is None) == (expected is None)
        if voted is not None:
            assert np.allclose(voted, expected, atol=1e-5)
        assert np.allclose(matte, expected_matte, atol=1e-5)


def test_a_single_flicker_is_voted_away():
    steady = np.array([[[1.0, 0.0]]], np.float32)
    flicker = np.array([[[0.0, 1.5]]], np.float32)
    scores = [steady, steady, flicker, steady, steady]
    mattes = [np.ones((1, 1), np.float32)] * 5
    assert [int(v.argmax()) for _, v, _ in vote(zip(range(5), scores, mattes, strict=True), WEIGHTS)] == [0] * 5


def test_it_streams():
    """Only the window is read ahead."""
    read = 0

    def frames():
        nonlocal read
        for i in range(100):
            read += 1
            yield i, np.zeros((1, 1, 2), np.float32), np.zeros((1, 1), np.float32)

    voted = vote(frames(), WEIGHTS)
    next(voted)
    assert read <= 4
