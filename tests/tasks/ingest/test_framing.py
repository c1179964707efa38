"""The static square: margins, limits of the picture, robustness."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingest.framing import choose_square


def still(x0, y0, side, n=50):
    return np.tile(np.array([x0, y0, x0 + side, y0 + side], float), (n, 1))


def test_margins_are_as_asked_where_the_picture_allows():
    framing = choose_square(still(900, 500, 200), 1920, 1080, 0.75, 0.85, 0.8)
    assert framing.box[2] - framing.box[0] == 520
    assert framing.short_of == ()
    assert framing.margins["above"] == pytest.approx(0.75, abs=0.02)
    assert framing.margins["below"] == pytest.approx(0.85, abs=0.02)
    assert framing.margins["left"] == pytest.approx(0.8, abs=0.02)
    assert framing.face_height == pytest.approx(200)


def test_the_square_holds_a_moving_face():
    boxes = still(800, 400, 200, 100)
    boxes[:, [0, 2]] += np.linspace(-200, 200, 100)[:, None]
    framing = choose_square(boxes, 1920, 1080, 0.75, 0.85, 0.8)
    assert framing.box[0] < 600
    assert framing.box[2] > 1200


def test_one_wild_box_does_not_count():
    boxes = still(900, 500, 200, 100)
    boxes[3] = [0, 0, 1900, 1000]
    assert choose_square(boxes, 1920, 1080, 0.75, 0.85, 0.8) == choose_square(
        still(900, 500, 200, 100), 1920, 1080, 0.75, 0.85, 0.8
    )


def test_missing_room_is_reported():
    framing = choose_square(still(100, 10, 300), 512, 512, 0.75, 0.85, 0.8)
    assert framing.box == (0, 0, 512, 512)
    assert set(framing.short_of) == {"above", "below", "left", "right"}


@settings(max_examples=200, deadline=None)
@given(st.integers(200, 2000), st.integers(200, 2000), st.floats(0, 1), st.floats(0, 1), st.floats(0.05, 0.9))
def test_the_square_is_even_and_inside_the_picture(width, height, x, y, share):
    side = share * min(width, height)
    framing = choose_square(still(x * (width - side), y * (height - side), side), width, height, 0.75, 0.85, 0.8)
    x0, y0, x1, y1 = framing.box
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    assert x1 - x0 == y1 - y0
    assert all(value % 2 == 0 for value in framing.box)
    assert x0 <= x * (width - side) + 1.01
    assert x1 >= x * (width - side) + side - 1.01
