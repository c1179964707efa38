"""Lag and flicker of a render against the recording, where both are known."""

import numpy as np
import pytest

from models.metrics.landmarks import ACTIONS, au_proxy
from models.metrics.motion import best_lag, flicker


@pytest.mark.parametrize("late", [-5, 0, 3])
def test_a_mouth_that_is_late_by_known_frames(late: int):
    rng = np.random.default_rng(0)
    said = 10 + 5 * np.convolve(rng.normal(size=140), np.hanning(7), mode="valid")
    assert best_lag(said[20 - late : 120 - late], said[20:120], 12) == late


def test_no_lag_where_a_mouth_does_not_move():
    assert np.isnan(best_lag(np.full(60, 4.0), np.full(60, 4.0), 12))
    moving = 9 * np.sin(np.arange(47.0))
    assert np.isnan(best_lag(moving, moving, 12))  # too short


def test_flicker_counts_in_its_region_only():
    before, now = np.zeros((2, 8, 8, 3), np.uint8)
    now[:4] = 10  # the render's upper half changes, the recording does not
    upper = np.zeros((8, 8), bool)
    upper[:4] = True
    still = np.zeros((8, 8, 3), np.uint8)
    assert flicker(before, now, still, still) == 5.0
    assert flicker(before, now, still, still, upper) == 10.0
    assert flicker(before, now, still, still, ~upper) == 0.0
    assert np.isnan(flicker(before, now, still, still, np.zeros((8, 8), bool)))


def test_action_proxy_by_hand():
    """Opening the mouth by a tenth of the eyes' distance changes two of the distances by ten percent each."""
    rng = np.random.default_rng(0)
    face = rng.uniform(0, 100, (68, 2))
    face[[36, 45]] = [[0, 0], [80, 0]]
    face[[62, 66, 51, 57]] = [[40, 60], [40, 64], [40, 56], [40, 68]]
    moved = face.copy()
    moved[[66, 57]] += (0, 8)
    others = [pair for pair in ACTIONS if 57 in pair and pair != (51, 57)]
    extra = sum((np.hypot(*(moved[a] - moved[b])) - np.hypot(*(face[a] - face[b]))) ** 2 for a, b in others)
    assert au_proxy(moved, face) == pytest.approx(2 * 10**2 + extra * (100 / 80) ** 2)
    # Neither size nor place counts.
    assert au_proxy(3 * face + 7, face) == pytest.approx(0, abs=1e-12)
