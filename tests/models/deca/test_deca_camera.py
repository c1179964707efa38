"""The crop DECA is shown, and its camera in the project's."""

import cv2
import numpy as np
import pytest
import torch

from models.deca.camera import pinhole_translation
from models.deca.crop import crop_of_box, crop_of_landmarks
from models.deca.encoder import INPUT_SIZE
from models.flame.camera import project


def test_the_square_of_a_box_is_enlarged_and_shifted_down() -> None:
    crop = crop_of_box(np.array([40.0, 60.0, 140.0, 180.0]))
    side = 137  # int(1.25 * 110)
    assert crop.step == pytest.approx(side / 223)
    assert crop.left + side / 2 == pytest.approx(90)
    assert crop.top + side / 2 == pytest.approx(120 + 0.12 * 110)


def test_the_square_of_landmarks_is_not_shifted() -> None:
    points = np.array([[40.0, 60.0], [140.0, 180.0], [90.0, 100.0]])
    crop = crop_of_landmarks(points)
    side = 151  # int(1.25 * 1.1 * 110)
    assert (crop.left + side / 2, crop.top + side / 2) == pytest.approx((90, 120))
    with pytest.raises(ValueError, match="cannot be cropped"):
        crop_of_landmarks(points[:1])


def test_the_crop_shows_what_lies_there() -> None:
    rows, columns = np.mgrid[:200, :240]
    picture = np.stack([columns, rows, np.full_like(rows, 128)], -1).astype(np.uint8)
    crop = crop_of_box(np.array([60.0, 40.0, 130.0, 110.0]))
    shown = crop.cut(picture)
    assert shown.shape == (3, INPUT_SIZE, INPUT_SIZE)
    assert shown.dtype == np.float32
    # Pixel (row 30, column 200) of the crop, in a picture whose values are its own pixel numbers.
    assert 255 * shown[0, 30, 200] == pytest.approx(crop.left - 0.5 + 200 * crop.step, abs=0.05)
    assert 255 * shown[1, 30, 200] == pytest.approx(crop.top - 0.5 + 30 * crop.step, abs=0.05)
    assert 255 * shown[2].max() == pytest.approx(128, abs=0.01)
    outside = crop_of_box(np.array([-60.0, -60.0, 40.0, 40.0])).cut(picture)
    assert outside[:, 0, 0].max() == 0
    assert outside[2, -1, -1] > 0


def test_the_crop_agrees_with_a_plain_resize() -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (260, 260, 3), np.uint8), (0, 0), 6)
    side = 125
    crop = crop_of_box(np.array([60.0, 38.0, 160.0, 138.0]))
    assert crop.left == pytest.approx(47.5)
    left, top = round(crop.left - 0.5), round(crop.top - 0.5)
    plain = cv2.resize(picture[top : top + side, left : left + side], (224, 224)).transpose(2, 0, 1) / 255
    # The published preprocessing maps corner pixels' centres on each other, a resize the corners themselves.
    assert np.abs(plain - crop.cut(picture))[:, 8:-8, 8:-8].mean() < 0.01


def test_both_cameras_show_the_head_in_the_same_place() -> None:
    generator = torch.Generator().manual_seed(0)
    size, focal = 256, 900.0
    crops = [crop_of_box(np.array([70.0, 60.0, 170.0, 180.0])), crop_of_box(np.array([20.0, 90.0, 110.0, 190.0]))]
    camera = torch.tensor([[7.5, 0.01, -0.02], [9.0, -0.015, 0.03]], dtype=torch.float64)
    points = 0.08 * torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    depth = points[..., 2].mean(1)
    points[..., 2] = depth[:, None]  # all at one depth: there the two cameras agree exactly
    translation = pinhole_translation(camera, crops, focal, size, depth)
    found = project(points + translation[:, None], focal, size)
    for crop, (s, tx, ty), x, uv in zip(crops, camera.tolist(), points, found, strict=True):
        # DECA's own way: -1..1 over the crop, to the crop's pixel numbers, to the picture.
        across, down = s * (x[:, 0] + tx), -s * (x[:, 1] + ty)
        column, row = (across + 1) * INPUT_SIZE / 2, (down + 1) * INPUT_SIZE / 2
        expected = torch.stack([crop.left + crop.step * column, crop.top + crop.step * row], -1)
        torch.testing.assert_close(uv, expected, rtol=0, atol=1e-9)
    assert (translation[:, 2] < 0).all()
