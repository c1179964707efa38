"""Composition of labels on a drawn person whose true labels are known."""

import cv2
import numpy as np
import pytest

from models.parsing import compose, finish, outline
from models.parsing.compose import Composer
from models.parsing.evidence import Evidence, moved

SIZE = 256
SKIN, HAIR, SHIRT, COLLAR, WALL = (205, 160, 135), (60, 40, 30), (50, 70, 140), (235, 235, 235), (120, 160, 120)
BACKGROUND, TORSO, NECK, HEAD = 0, 1, 2, 3


def person(dx: float, long_hair: bool, noise: int) -> tuple[Evidence, np.ndarray]:
    """A drawn head and shoulders, moved by dx, with its true label map (HEAD for all of the head)."""
    picture, truth = np.full((SIZE, SIZE, 3), WALL, np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    x = round(128 + dx)

    def draw(function, colour, label):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        function(mask)
        picture[mask > 0], truth[mask > 0] = colour, label

    draw(lambda m: cv2.ellipse(m, (128, 280), (110, 75), 0, 0, 360, 1, -1), SHIRT, TORSO)
    if long_hair:
        draw(lambda m: cv2.ellipse(m, (x, 130), (86, 105), 0, 0, 360, 1, -1), HAIR, HEAD)
    draw(lambda m: cv2.rectangle(m, (x - 24, 140), (x + 24, 210), 1, -1), tuple(int(c * 0.8) for c in SKIN), NECK)
    draw(lambda m: cv2.ellipse(m, (x, 218), (30, 9), 0, 0, 360, 1, -1), COLLAR, TORSO)
    draw(lambda m: cv2.ellipse(m, (x, 92), (48, 58), 0, 0, 360, 1, -1), HAIR, HEAD)
    draw(lambda m: cv2.ellipse(m, (x, 118), (42, 55), 0, 0, 360, 1, -1), SKIN, HEAD)
    points = np.zeros((478, 3), np.float32)
    t = np.arange(36) / 36 * 2 * np.pi
    points[list(outline.FACE_OVAL), :2] = np.stack([x + 42 * np.sin(t), 118 - 55 * np.cos(t)], 1)
    points[outline.NOSE_BASE, :2] = (x, 130)
    for indices, (cx, cy, rx, ry) in {
        outline.LIPS: (0, 145, 14, 6), outline.INNER_LIPS: (0, 145, 8, 2), outline.RIGHT_EYE: (-18, 105, 7, 3),
        outline.LEFT_EYE: (18, 105, 7, 3), outline.RIGHT_BROW: (-18, 95, 8, 2), outline.LEFT_BROW: (18, 95, 8, 2),
    }.items():  # fmt: skip
        t = np.arange(len(indices)) / len(indices) * 2 * np.pi
        points[list(indices), :2] = np.stack([x + cx + rx * np.cos(t), cy + ry * np.sin(t)], 1)
    rng = np.random.default_rng(noise)
    noisy = np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
    return Evidence(noisy, (truth > 0).astype(np.float32), points), truth


def labelled(composer: Composer, evidence: Evidence, side: int = SIZE) -> np.ndarray:
    points = moved(evidence.points, evidence.shape, (side, side))
    return finish.finish(composer.scores(evidence), evidence.matte, points, (side, side))


def iou(labels: np.ndarray, truth: np.ndarray, label: int) -> float:
    mine = labels >= HEAD if label == HEAD else labels == label
    return float((mine & (truth == label)).sum() / (mine | (truth == label)).sum())


@pytest.mark.parametrize("long_hair", [False, True])
def test_a_drawn_person_is_labelled(long_hair):
    frames = [person(dx, long_hair, k) for k, dx in enumerate(np.linspace(-8, 8, 12))]
    composer = Composer()
    composer.fit([evidence for evidence, _ in frames])
    assert (composer.long_hair > 0.5) == long_hair
    for evidence, truth in frames:
        labels = labelled(composer, evidence)
        assert iou(labels, truth, BACKGROUND) > 0.98
        assert iou(labels, truth, HEAD) > 0.93
        assert iou(labels, truth, TORSO) > 0.85
        assert iou(labels, truth, NECK) > 0.75


def test_fine_labels_lie_on_their_polygons():
    evidence, _ = person(0, False, 0)
    composer = Composer()
    composer.fit([evidence])
    labels = labelled(composer, evidence)
    assert labels[145, 128] == finish.MOUTH_LABEL
    assert labels[149, 128] == finish.LIPS_LABEL
    assert labels[105, 110] == labels[105, 146] == finish.EYES_LABEL
    assert labels[125, 128] == finish.HEAD_LABEL
    assert labels[45, 128] == finish.HAIR_LABEL
    assert labels[5, 5] == finish.BACKGROUND_LABEL


def test_the_fitted_head_is_evidence():
    evidence, _ = person(0, False, 0)
    composer = Composer()
    composer.fit([evidence])
    plain = composer.scores(evidence)
    square = np.array([[20, 200], [60, 200], [60, 250], [20, 250]], np.float32)
    informed = composer.scores(Evidence(evidence.rgb, evidence.matte, evidence.points, skull=None, neck=square))
    change = informed - plain
    assert plain.shape == (SIZE // 2, SIZE // 2, 4)
    assert change[112, 20, 2] == pytest.approx(compose.SILHOUETTE)
    assert np.abs(change[..., [0, 1, 3]]).max() == 0
    assert np.abs(change[:75]).max() == 0


def test_labels_of_a_picture_twice_as_large_are_the_same_ones_enlarged():
    evidence, _ = person(0, False, 0)
    composer = Composer()
    composer.fit([evidence])
    small, large = labelled(composer, evidence), labelled(composer, evidence, 2 * SIZE)
    assert large.shape == (2 * SIZE, 2 * SIZE)
    assert (large[::2, ::2] == small).mean() > 0.985


def test_scores_need_a_fit():
    with pytest.raises(ValueError, match="fit first"):
        Composer().scores(person(0, False, 0)[0])
