"""Colour models: densities add up, colours are told apart, darkness."""

import numpy as np
import pytest

from models.parsing.appearance import CELLS, ColourModel, colour_cells, count_colours, darker


def patch(colour, shape=(20, 20), spread=6):
    rng = np.random.default_rng(sum(colour))
    return np.clip(np.array(colour) + rng.normal(0, spread, (*shape, 3)), 0, 255).astype(np.uint8)


def test_cells_are_in_range_and_equal_colours_share_one():
    rgb = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    cells = colour_cells(rgb)
    assert cells.shape == (50, 60)
    assert cells.min() >= 0
    assert cells.max() < CELLS
    assert np.array_equal(colour_cells(rgb[::-1]), cells[::-1])
    assert len(np.unique(colour_cells(np.full((4, 4, 3), 77, np.uint8)))) == 1


def test_counts_go_to_the_right_class():
    cells = np.array([[1, 1, 2], [3, 3, 3]])
    counts = count_colours(cells, {0: cells < 3, 2: cells == 3}, 3)
    assert counts[1, 0] == 2
    assert counts[2, 0] == 1
    assert counts[3, 2] == 3
    assert counts.sum() == 6


def test_classes_are_told_apart():
    skin, cloth = patch((200, 150, 120)), patch((30, 40, 120))
    counts = count_colours(colour_cells(skin), {0: np.ones((20, 20), bool)}, 2)
    counts += count_colours(colour_cells(cloth), {1: np.ones((20, 20), bool)}, 2)
    model = ColourModel(counts, np.array([0.03, 0.25]))
    on_skin, on_cloth = model(colour_cells(skin)), model(colour_cells(cloth))
    assert (on_skin[..., 0] > on_skin[..., 1] + 2).all()
    assert (on_cloth[..., 1] > on_cloth[..., 0] + 2).all()
    # A colour that was never seen is rather clothing, by the shares of any colour.
    green = model(colour_cells(patch((20, 220, 30))))
    assert np.allclose(green[..., 1] - green[..., 0], np.log(0.25 / 0.03), atol=1e-3)


def test_densities_are_relative_to_a_uniform_colour():
    counts = np.random.default_rng(0).integers(0, 50, (CELLS, 2)).astype(float)
    model = ColourModel(counts, np.array([0.1, 0.1]))
    assert np.exp(model.log_density.astype(np.float64)).mean(0) == pytest.approx([1, 1], rel=1e-4)


def test_a_class_without_samples_has_no_opinion():
    counts = np.zeros((CELLS, 2))
    counts[5, 0] = 100
    model = ColourModel(counts, np.array([0.1, 0.1]))
    assert np.allclose(model.log_density[:, 1], 0)


def test_darker_is_linear_light():
    assert np.array_equal(darker(np.arange(256, dtype=np.uint8), 1.0), np.arange(256))
    assert darker(np.array([200], np.uint8), 0.5)[0] == round(255 * ((200 / 255) ** 2.2 * 0.5) ** (1 / 2.2))
