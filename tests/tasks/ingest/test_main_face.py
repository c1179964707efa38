"""Whose face it is: linking over time, the main person, the refusal of two equals, boxes between looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingest.main_face import boxes_at, people, rival


def face(x: float, y: float, height: float = 100.0, confidence: float = 0.9):
    return ((x - height / 2, y - height / 2, x + height / 2, y + height / 2), confidence)


def test_two_people_are_kept_apart_and_the_larger_leads():
    looks = [[face(200 + k, 200, 100), face(600 - k, 220, 60)] for k in range(50)]
    found = people(looks)
    assert len(found) == 2
    assert found[0].height == pytest.approx(100)
    assert len(found[0].boxes) == len(found[1].boxes) == 50
    assert rival(found) is None


def test_order_in_a_picture_does_not_matter():
    rng = np.random.default_rng(0)
    looks = []
    for _ in range(40):
        pair = [face(200, 200, 100), face(500, 200, 95)]
        looks.append(pair if rng.random() < 0.5 else pair[::-1])
    found = people(looks)
    assert [len(person.boxes) for person in found] == [40, 40]
    assert np.ptp([box[0] for box, _ in found[0].boxes.values()]) == 0
    assert rival(found) is found[1]


def test_the_nearer_one_of_a_passer_by_is_not_followed():
    """Somebody larger walks through for a second: the main person stays the one who is there throughout."""
    looks = [[face(300, 200, 100)] + ([face(500 + 40 * (k - 20), 260, 160)] if 20 <= k < 25 else []) for k in range(60)]
    found = people(looks)
    assert len(found[0].boxes) == 60
    assert rival(found) is None


def test_a_face_that_is_gone_for_a_while_and_comes_back_elsewhere_is_one_person():
    looks = [[face(200, 200)] for _ in range(20)] + [[] for _ in range(10)] + [[face(420, 210, 90)] for _ in range(20)]
    found = people(looks)
    assert len(found) == 1
    assert len(found[0].boxes) == 40


def test_nobody():
    assert people([[], []]) == []
    assert rival([]) is None


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.floats(0, 2000), st.floats(0, 2000), st.floats(10, 400)), max_size=4), max_size=30)
)
def test_every_box_belongs_to_one_person_and_weights_descend(places):
    looks = [[face(*place) for place in look] for look in places]
    found = people(looks)
    given_boxes = sorted((look, box) for look, faces in enumerate(looks) for box, _ in faces)
    kept = sorted((look, box) for person in found for look, (box, _) in person.boxes.items())
    assert len(kept) <= len(given_boxes)
    assert set(kept) <= set(given_boxes)
    weights = [person.weight for person in found]
    assert weights == sorted(weights, reverse=True)


def test_boxes_between_looks():
    times = np.array([0.0, 0.2, 0.4, 0.6])
    (person,) = people([[face(100, 100)], [face(120, 100)], [], []])
    box, confidence = boxes_at(np.array([0.0, 0.1, 0.2, 0.28, 0.32, 0.6, 0.9]), times, person)
    assert box[:4, 0] == pytest.approx([50, 60, 70, 70])
    assert np.isnan(box[4:]).all()
    assert confidence == pytest.approx([0.9] * 4 + [0] * 3)
    (person,) = people([[face(100, 100)]])
    alone, _ = boxes_at(np.array([0.0, 5.0]), np.array([0.0]), person)
    assert alone[:, 0] == pytest.approx([50, 50])
