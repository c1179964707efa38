"""Label maps from scores: sizes, islands, loose neck, frames without a face."""

import cv2
import numpy as np
import pytest

from models.parsing import finish
from models.parsing.finish import (
    BACKGROUND_LABEL,
    HAIR_LABEL,
    HEAD_LABEL,
    LABEL_OF_CLASS,
    NECK_LABEL,
    TORSO_LABEL,
    islands,
    loose_neck,
)


def off_the_picture() -> np.ndarray:
    return np.full((478, 3), -9000, np.float32)


def scores_of(labels: np.ndarray) -> np.ndarray:
    """Scores of which ``labels`` are the best."""
    return (labels[..., None] == LABEL_OF_CLASS).astype(np.float32)


def test_a_frame_without_a_face_has_person_and_background_only():
    matte = np.zeros((20, 20), np.float32)
    matte[8:, 4:16] = 1
    labels = finish.finish(None, matte, None, (40, 40))
    assert set(np.unique(labels)) == {BACKGROUND_LABEL, TORSO_LABEL}
    assert labels.dtype == np.uint8
    assert (labels == TORSO_LABEL).sum() == pytest.approx(24 * 24, rel=0.03)


@pytest.mark.parametrize("shape", [(100, 100), (200, 200), (301, 301)])
def test_neck_that_is_not_joined_to_the_head_is_torso(shape):
    drawn = np.full((100, 100), TORSO_LABEL, np.uint8)
    drawn[:40, 30:70] = HEAD_LABEL
    drawn[40:60, 40:60] = NECK_LABEL
    clean = drawn.copy()
    drawn[80:95, 40:60] = NECK_LABEL
    changes = loose_neck(drawn)
    np.testing.assert_array_equal(drawn, clean)
    assert [(change.old, change.new) for change in changes] == [(NECK_LABEL, TORSO_LABEL)]
    drawn[80:95, 40:60] = NECK_LABEL
    labels = finish.finish(scores_of(drawn), np.ones((100, 100), np.float32), off_the_picture(), shape)
    expected = cv2.resize(clean, shape[::-1], interpolation=cv2.INTER_NEAREST)
    assert (labels != expected).mean() < 0.01
    assert (labels[round(shape[0] * 0.75) :] == TORSO_LABEL).all()


@pytest.mark.parametrize("scale", [1, 3])
def test_islands_join_what_is_round_them(scale):
    drawn = np.full((100, 100), TORSO_LABEL, np.uint8)
    drawn[:40] = HAIR_LABEL
    clean = drawn.copy()
    drawn[70:72, 50:52] = HAIR_LABEL
    matte = np.ones((100, 100), np.float32)
    matte[10:12, 10:12] = 0  # a hole in the matte
    side = 100 * scale
    labels = finish.finish(scores_of(drawn), matte, off_the_picture(), (side, side))
    expected = np.repeat(np.repeat(clean, scale, 0), scale, 1)
    inner = np.abs(np.arange(side) - 40 * scale) > scale
    np.testing.assert_array_equal(labels[inner], expected[inner])
    islands(drawn)
    np.testing.assert_array_equal(drawn, clean)


def test_large_parts_are_left_alone():
    drawn = np.full((100, 100), TORSO_LABEL, np.uint8)
    drawn[20:30, 20:30] = HAIR_LABEL
    assert islands(drawn) == []


def test_labels_are_those_of_the_artifact():
    from tasks.artifacts.masks import Label

    assert [label.name for label in Label] == [
        "BACKGROUND", "TORSO", "NECK", "HEAD", "HAIR", "LIPS", "MOUTH", "EYES",
    ]  # fmt: skip
    assert finish.EYES_LABEL == Label.EYES
    assert finish.HAIR_LABEL == Label.HAIR
    assert finish.NECK_LABEL == Label.NECK
