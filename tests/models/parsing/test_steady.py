"""Hysteresis: wavering evidence over a still picture keeps its label, clear evidence or a changed picture does not."""

import numpy as np

from models.parsing.steady import INERTIA, MATTE_INERTIA, Steady

PICTURE = np.full((8, 8, 3), 100, np.uint8)


def scores(first: float) -> np.ndarray:
    """Class 0 leads by ``first``, everywhere on the half grid."""
    return np.stack([np.full((4, 4), first), np.zeros((4, 4))], -1).astype(np.float32)


def matte(value: float) -> np.ndarray:
    return np.full((8, 8), value, np.float32)


def run(pictures, leads, mattes):
    steady = Steady()
    result = []
    for picture, lead, share in zip(pictures, leads, mattes, strict=True):
        found, person = steady(picture, None if lead is None else scores(lead), matte(share))
        result.append((None if found is None else int(found[0, 0].argmax()), bool(person[0, 0] > 0.5)))
    return result


def test_wavering_keeps_the_first_label():
    waver = 0.4 * min(INERTIA, 1)
    leads = [waver, -waver, waver, -waver]
    mattes = [0.5 + 0.4 * MATTE_INERTIA * sign for sign in (1, -1, 1, -1)]
    assert run([PICTURE] * 4, leads, mattes) == [(0, True)] * 4


def test_clear_evidence_wins_at_once():
    assert run([PICTURE] * 3, [1, -3, -0.1], [0.9, 0.1, 0.45]) == [(0, True), (1, False), (1, False)]


def test_a_changed_picture_has_no_past():
    assert run([PICTURE, PICTURE + 50], [0.2, -0.2], [0.51, 0.49]) == [(0, True), (1, False)]


def test_only_what_stands_still_is_held():
    moved = PICTURE.copy()
    moved[:, 4:] += 50
    steady = Steady()
    steady(PICTURE, scores(0.2), matte(0.51))
    found, person = steady(moved, scores(-0.2), matte(0.49))
    assert (found.argmax(-1) == [0, 0, 1, 1]).all()
    assert ((person > 0.5) == [True] * 4 + [False] * 4).all()


def test_a_lost_face_is_forgotten():
    assert run([PICTURE] * 3, [0.2, None, -0.2], [0.6] * 3) == [(0, True), (None, True), (1, True)]


def test_the_arguments_are_left_alone():
    steady, lead, share = Steady(), scores(0.2), matte(0.51)
    steady(PICTURE, scores(-0.5), matte(0.4))
    steady(PICTURE, lead, share)
    np.testing.assert_array_equal(lead, scores(0.2))
    np.testing.assert_array_equal(share, matte(0.51))
