"""The best class at every pixel, against numpy's argmax."""

import numpy as np
import pytest

from models.parsing.best import best_class


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_same_as_argmax_with_ties_and_values(count):
    rng = np.random.default_rng(count)
    scores = rng.integers(-2, 3, (37, 51, count)).astype(np.float32)
    assert (scores == scores.max(-1, keepdims=True)).sum() > 37 * 51 or count == 1
    expected = scores.argmax(-1)
    np.testing.assert_array_equal(best_class(scores), expected)
    values = (7, 3, 0, 9)[:count]
    np.testing.assert_array_equal(best_class(scores, values), np.array(values)[expected])
    assert best_class(scores).dtype == np.uint8
