"""First samples of a person's colours: is hair long, and what must not be taken for hair."""

import cv2
import numpy as np
import pytest

from models.parsing import outline
from models.parsing.appearance import colour_cells
from models.parsing.evidence import Evidence
from models.parsing.prior import HAIR, SKIN
from models.parsing.seeds import hair_past_the_ears, seed_colours

SIZE = 256
SKIN_COLOUR, HAIR_COLOUR, WALL = (210, 160, 135), (50, 35, 30), (120, 160, 120)


def frame(hair: str) -> Evidence:
    """A drawn head: the mesh's oval is 84 by 110 px round (128, 118); hair: short, full or hanging."""
    matte, picture = np.zeros((SIZE, SIZE), np.uint8), np.full((SIZE, SIZE, 3), WALL, np.uint8)

    def draw(colour, shape):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        shape(mask)
        matte[mask > 0], picture[mask > 0] = 1, colour

    draw((50, 70, 140), lambda m: cv2.ellipse(m, (128, 290), (110, 75), 0, 0, 360, 1, -1))
    if hair == "full":
        draw(HAIR_COLOUR, lambda m: cv2.ellipse(m, (128, 130), (90, 105), 0, 0, 360, 1, -1))
    if hair == "hanging":
        draw(HAIR_COLOUR, lambda m: cv2.rectangle(m, (66, 70), (190, 200), 1, -1))
    draw(HAIR_COLOUR, lambda m: cv2.ellipse(m, (128, 92), (46, 66), 0, 0, 360, 1, -1))
    draw(SKIN_COLOUR, lambda m: cv2.ellipse(m, (128, 112), (42, 62), 0, 0, 360, 1, -1))  # higher than the oval
    points = np.zeros((478, 3), np.float32)
    t = np.arange(36) / 36 * 2 * np.pi
    points[list(outline.FACE_OVAL), :2] = np.stack([128 + 42 * np.sin(t), 118 - 55 * np.cos(t)], 1)
    points[outline.NOSE_BASE, :2] = (128, 130)
    points[0, :2] = (128, 140)
    return Evidence(picture, matte.astype(np.float32), points)


@pytest.mark.parametrize(("hair", "long"), [("short", False), ("full", True), ("hanging", True)])
def test_long_hair_is_seen_beside_the_ears_or_below_them(hair, long):
    found = hair_past_the_ears([frame(hair)] * 3)
    assert (found > 0.5) == long
    assert 0 <= found <= 1


def test_without_a_view_of_the_sides_hair_is_short():
    assert hair_past_the_ears([]) == 0


@pytest.mark.parametrize("hair", ["short", "full", "hanging"])
def test_a_high_forehead_is_not_a_sample_of_hair(hair):
    counts = seed_colours([frame(hair)], 1.0 if hair != "short" else 0.0)
    skin, dark = (int(colour_cells(np.array([[colour]], np.uint8))[0, 0]) for colour in (SKIN_COLOUR, HAIR_COLOUR))
    assert counts[dark, HAIR] > 0.9 * counts[:, HAIR].sum() > 0
    assert counts[skin, HAIR] == 0
    assert counts[skin, SKIN] > counts[dark, SKIN]
