"""Landmark distances and motion figures against closed forms."""

import math

import numpy as np
import pytest

from models.metrics.landmarks import face_lmd, lmd, mouth_opening
from models.metrics.motion import flicker, follows, jitter
from models.metrics.regions import face_box, neck_band


def test_lmd_is_centred_and_scaled_to_512() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 68, 2)) * 50
    assert lmd(a, a + np.array([7, -3]), 256) == pytest.approx(np.zeros(4), abs=1e-12)
    b = a.copy()
    # Two mouth points moved by +d and -d keep the mean: 2 d over 20 points, times 512 / 256.
    b[:, 50] += [3, 4]
    b[:, 60] -= [3, 4]
    assert lmd(a, b, 256) == pytest.approx(np.full(4, 2 * 10 / 20))
    assert face_lmd(a, b, 256) == pytest.approx(np.full(4, 2 * 10 / 68))
    assert lmd(a, b, 512) == pytest.approx(np.full(4, 10 / 20))


def test_lmd_equals_a_loop() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 68, 2))
    mouth_a, mouth_b = a[48:68], b[48:68]
    total = 0.0
    for p, q in zip(mouth_a - mouth_a.mean(0), mouth_b - mouth_b.mean(0), strict=True):
        total += math.hypot(*(p - q))
    assert lmd(a, b, 512) == pytest.approx(total / 20)


def test_mouth_opening() -> None:
    points = np.zeros((68, 2))
    points[62], points[66] = (10, 10), (13, 14)
    assert mouth_opening(points, 256) == pytest.approx(10.0)


def test_jitter_of_known_motions() -> None:
    t = np.arange(10.0)
    straight = np.repeat((t[:, None] * [2.0, 1.0])[:, None], 5, 1)
    assert jitter(straight, 512) == pytest.approx(0)
    bent = np.repeat((t[:, None] ** 2 * [1.5, 2.0])[:, None], 5, 1)  # second difference (3, 4)
    assert jitter(bent, 256) == pytest.approx(10)
    gap = bent.copy()
    gap[4] = np.nan
    assert jitter(gap, 256) == pytest.approx(10)
    assert math.isnan(jitter(bent[:2], 256))


def test_flicker_ignores_constant_error() -> None:
    rng = np.random.default_rng(0)
    before, now = rng.integers(50, 200, (2, 8, 8, 3)).astype(np.uint8)
    assert flicker(before + 9, now + 9, before, now) == 0
    assert flicker(before, now + 3, before, now) == 3
    assert flicker(before, before, before, now) == pytest.approx(np.abs(now.astype(int) - before).mean())


def test_follows() -> None:
    t = np.linspace(0, 6, 50)
    correlation, ratio = follows(0.5 * np.sin(t) + 3, np.sin(t))
    assert correlation == pytest.approx(1)
    assert ratio == pytest.approx(0.5)
    frozen = follows(np.full(50, 2.0), np.sin(t))
    assert math.isnan(frozen[0])
    assert frozen[1] == 0
    assert all(math.isnan(x) for x in follows(np.sin(t), 0.4 * np.sin(t)))  # the true mouth only trembles
    assert all(math.isnan(x) for x in follows(np.array([1.0, np.nan, 2.0]), np.array([1.0, 2.0, 3.0])))


@pytest.mark.parametrize("shift", [(0, 0), (-60, 10), (70, 70), (-500, 900)])
def test_face_box_stays_inside_and_wide_enough(shift: tuple[int, int]) -> None:
    points = np.array([[40.2, 30.0], [90.0, 101.5]]) + shift
    x0, y0, x1, y1 = face_box(points, 128)
    assert 0 <= x0 < x1 <= 128
    assert 0 <= y0 < y1 <= 128
    assert min(x1 - x0, y1 - y0) >= 31
    if shift == (0, 0):
        assert (x0, y0, x1, y1) == (40, 30, 90, 102)


def test_neck_band_lies_round_both_boundaries() -> None:
    rows = np.arange(100)[:, None].repeat(100, 1)
    head, neck, torso = rows < 40, (rows >= 40) & (rows < 60), rows >= 60
    band = neck_band(head, neck, torso)
    assert band[[36, 40, 44, 56, 60, 63]].all()
    assert not band[[20, 30, 50, 80]].any()
    nothing = np.zeros_like(head)
    assert neck_band(head, nothing, ~head)[40].all()  # hair over the neck: head meets torso
    assert not neck_band(head, nothing, nothing).any()
