"""Whose face the gates judge, from looks at a clip."""

import numpy as np

from tasks.gates.person import Cast, Faces, Look


def look(time: float, *faces: tuple[float, float]) -> Look:
    """Faces given as (x of the centre, height)."""
    return Look(time, [((x - h / 2, 100 - h / 2, x + h / 2, 100 + h / 2), 0.9) for x, h in faces])


def test_the_one_who_is_there_throughout_not_the_largest_of_a_picture():
    looks = [look(k, (200, 100), *([(600, 180)] if k < 5 else [])) for k in range(40)]
    cast = Cast.of(looks)
    assert cast.main is not None
    assert not cast.equals
    np.testing.assert_allclose(cast.boxes[:, 0], 150)
    assert cast.faces()[:6] == [Faces(100.0, (180.0,))] * 5 + [Faces(100.0)]


def test_small_faces_and_another_one_alone():
    looks = [look(k, (200, 100), (600, 39)) for k in range(20)] + [look(20, (600, 210)), look(21)]
    assert Cast.of(looks).faces()[-3:] == [Faces(100.0), Faces(None, (210.0,)), Faces(None)]


def test_order_of_time_whatever_the_order_given():
    looks = [look(k, (200 + 3 * k, 100)) for k in range(30)]
    assert Cast.of(looks[::-1]).looks == looks


def test_two_equals():
    assert Cast.of([look(k, (200, 100), (500, 95)) for k in range(20)]).equals


def test_nobody():
    cast = Cast.of([look(0), look(1)])
    assert cast.main is None
    assert cast.boxes.shape == (0, 4)
    assert cast.faces() == [Faces(None)] * 2
    assert cast.agrees(Cast.of([look(0)]))


def test_who_was_taken_for_the_main_person_at_first():
    early = [look(k, (200, 100), (600, 180)) for k in range(4)]
    later = [look(4 + k, (200, 100)) for k in range(40)]
    first, known = Cast.of(early), Cast.of(early + later)
    assert not known.agrees(first)
    assert known.agrees(Cast.of(later[:5]))
    assert not known.agrees(Cast.of([look(50)]))
