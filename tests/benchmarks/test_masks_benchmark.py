"""The parse benchmark's own arithmetic: overlap, comparison of label maps, and the drawn people's true labels."""

import numpy as np
import pytest

from benchmarks.parsing.judge import overlap
from benchmarks.parsing.rendered import COLUMNS, Person, compare, table, tube
from tasks.artifacts.head import read_head
from tasks.artifacts.masks import Label


def test_overlap():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert overlap(a, b) == 1
    a[:2], b[1:3] = True, True
    assert overlap(a, b) == pytest.approx(1 / 3)


def test_comparison_counts_fine_labels_as_head():
    truth = np.zeros((1, 10, 10), np.uint8)
    truth[:, 2:5], truth[:, 5:7], truth[:, 7:] = Label.HEAD, Label.NECK, Label.TORSO
    found = truth.copy()
    assert set(compare(found, truth)) == set(COLUMNS)
    found[:, 3] = Label.HAIR  # still head
    found[:, 5] = Label.TORSO  # half of the neck is lost
    result = compare(found, truth)
    assert result["head"] == result["background"] == 1
    assert result["neck"] == pytest.approx(0.5)
    assert result["torso"] == pytest.approx(3 / 4)
    assert result["mean"] == pytest.approx((1 + 1 + 0.5 + 0.75) / 4)
    assert "| mean |" in table([result])


def test_a_tube_is_closed_and_faces_outwards():
    vertices, faces = tube(np.array([[0.1, 0, 0.05, 0.05, 0], [-0.1, 0, 0.05, 0.05, 0]]), np.linspace(0, 2 * np.pi, 9))
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normals, middles = np.cross(b - a, c - a), (a + b + c) / 3
    assert (np.einsum("ij,ij->i", normals[:, [0, 2]], middles[:, [0, 2]]) > 0).all()
    assert np.linalg.norm(normals, axis=1).sum() / 2 == pytest.approx(2 * np.pi * 0.05 * 0.2, rel=0.05)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_parts_of_a_drawn_person_lie_where_their_names_say(open_head_path, seed):
    head = read_head(open_head_path).double()
    person = Person(head, seed)
    parts = person.parts(head.template.numpy(), np.zeros(3))
    assert len(parts) == (5 if person.long else 4)
    for part in parts:
        assert part.colours.shape == part.vertices.shape
        assert len(part.labels) == len(part.faces)
        assert part.faces.max() < len(part.vertices)
    heights = {
        label: np.concatenate([
            part.vertices[part.faces[part.labels == label]].mean(1)[:, 1] for part in parts
        ]) for label in (Label.TORSO, Label.NECK, Label.HEAD, Label.HAIR, Label.LIPS)
    }  # fmt: skip
    middle = {label: float(np.median(values)) for label, values in heights.items()}
    assert (
        middle[Label.TORSO] < middle[Label.NECK] < middle[Label.LIPS] < middle[Label.HEAD] < heights[Label.HAIR].max()
    )
    assert (heights[Label.HAIR].min() < -0.1) == person.long
