"""Blur, light, cuts and background motion, each against pictures whose answer is known."""

import cv2
import numpy as np
import pytest

from models.quality.blur import MOST, blur_radius
from models.quality.camera_motion import away_from_person, background_shift
from models.quality.cuts import changes_of_scene, cuts_between_frames, thumbnail
from models.quality.lighting import lost_share


def edges(rng: np.random.Generator) -> np.ndarray:
    """Random sharp-edged boxes, drawn four times as large and averaged, float32 [160, 160]."""
    picture = np.full((640, 640), 120, np.float32)
    for _ in range(40):
        x, y = rng.integers(0, 600, 2)
        cv2.rectangle(picture, (int(x), int(y)), (int(x) + 120, int(y) + 90), float(rng.integers(20, 235)), -1)
    return cv2.resize(picture, (160, 160), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("radius", [1.0, 2.0, 3.0])
def test_the_radius_of_a_known_blur_is_found(radius):
    blurred = cv2.GaussianBlur(edges(np.random.default_rng(0)), (0, 0), radius)
    assert blur_radius(np.round(blurred).astype(np.uint8)) == pytest.approx(radius, rel=0.25)


def test_sharp_is_sharp_and_empty_is_as_blurred_as_can_be():
    assert blur_radius(np.round(edges(np.random.default_rng(1))).astype(np.uint8)) < 0.8
    assert blur_radius(np.full((50, 50), 100, np.uint8)) == MOST


def test_lost_pixels_are_counted_inside_the_outline_only():
    picture = np.full((40, 40, 3), 128, np.uint8)
    picture[:, :20] = 255
    picture[30:] = 0
    square = np.array([[10, 0], [29, 0], [29, 29], [10, 29]], np.float32)
    assert lost_share(picture, square) == pytest.approx(0.5, abs=0.01)
    assert lost_share(picture, square + np.float32([10, 0])) == 0.0
    dark_skin = np.full((40, 40, 3), (60, 40, 30), np.uint8)
    assert lost_share(dark_skin, square) == 0.0


def scene(rng: np.random.Generator) -> np.ndarray:
    return thumbnail(cv2.resize(rng.integers(0, 255, (8, 8, 3), np.uint8), (256, 256), interpolation=cv2.INTER_CUBIC))


def test_a_cut_is_found_where_it_is_and_a_flash_and_a_pan_are_none():
    rng = np.random.default_rng(2)
    one, other = scene(rng), scene(rng)
    frames = np.stack([one + rng.normal(0, 1, one.shape) for _ in range(30)])
    assert len(cuts_between_frames(frames)) == 0
    cut = frames.copy()
    cut[17:] = other
    assert cuts_between_frames(cut).tolist() == [17]
    flash = frames.copy()
    flash[10:12] += 120
    assert len(cuts_between_frames(flash)) == 0
    pan = np.stack([np.roll(one, k, axis=1) for k in range(30)])
    assert len(cuts_between_frames(pan)) == 0
    assert len(cuts_between_frames(frames[:1])) == 0


def test_changes_of_scene_between_sparse_pictures():
    black, white = np.zeros((32, 32)), np.full((32, 32), 200.0)
    assert changes_of_scene(np.stack([black, black + 20, white, white, black])) == 2
    assert changes_of_scene(black[None]) == 0


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (-4, 5)])
def test_a_shifted_background_is_measured(shift):
    noise = np.random.default_rng(3).integers(0, 255, (40, 60), np.uint8)
    wide = cv2.resize(noise, (360, 240), interpolation=cv2.INTER_CUBIC)
    first = wide[20:200, 20:340]
    later = wide[20 - shift[1] : 200 - shift[1], 20 - shift[0] : 340 - shift[0]]
    everywhere = np.ones(first.shape, bool)
    assert background_shift(first, later, everywhere) == pytest.approx(np.hypot(*shift), abs=0.3)


def test_nothing_to_follow_is_said_rather_than_called_still():
    flat = np.full((180, 320), 90, np.uint8)
    assert background_shift(flat, flat, np.ones(flat.shape, bool)) is None


def test_the_person_is_left_out_of_the_background():
    free = away_from_person((200, 300), np.array([[120.0, 60, 180, 120]]))
    assert free[10, 10]
    assert not free[90, 150]
    assert not free[40, 150]  # hair
    assert not free[190, 60]  # shoulder
    assert free[90, 40]
