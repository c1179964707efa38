"""Cutting out the face and reading the heat maps, against the package's own functions."""

import warnings

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from models.landmarks.boxed import Square
from models.landmarks.fan68 import (
    LANDMARKS_DOWN,
    LANDMARKS_HEIGHT,
    LANDMARKS_RIGHT,
    LANDMARKS_WIDTH,
    MAP_SIZE,
    Fan68,
    fan_network,
    peaks,
)

BOX = (70.0, 60.0, 170.0, 160.0)


class Smooth(nn.Module):
    """Heat maps of FAN's shape that follow the picture: one smooth bump a landmark, moved by what is bright."""

    def forward(self, shown: torch.Tensor) -> list[torch.Tensor]:
        small = nn.functional.avg_pool2d(shown, 4)
        mix = torch.linspace(0, 2 * torch.pi, 68)
        weights = torch.stack([mix.cos(), mix.sin(), (2 * mix).cos()], 1)
        return [torch.zeros(1), torch.einsum("lc,bchw->blhw", weights, small)]


@pytest.fixture(autouse=True)
def _without_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's functions as they are written: to compile them takes longer than to run them."""
    from face_alignment import utils

    for name in ("_get_preds_fromhm", "transform_np"):
        monkeypatch.setattr(utils, name, getattr(utils, name).py_func)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, (240, 240, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 14)
    return np.clip(128 + 55 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def test_maxima_are_read_as_the_package_reads_them() -> None:
    from face_alignment.utils import get_preds_fromhm

    maps = torch.rand(68, MAP_SIZE, MAP_SIZE, generator=torch.Generator().manual_seed(0))
    maps[0, 0, 10] = maps[1, 63, 63] = maps[2, 20, 63] = 2.0  # on the border
    expected, _, _ = get_preds_fromhm(maps[None].numpy())
    # The package's positions count from 0 at the first pixel's corner, as ours do.
    np.testing.assert_allclose(peaks(maps).numpy()[1:], expected[0][1:], atol=1e-6)
    np.testing.assert_allclose(peaks(maps)[0], [10.5, 0.5])


def test_a_face_is_found_where_the_package_finds_it(picture: np.ndarray) -> None:
    from face_alignment.api import FaceAlignment, LandmarksType

    with Fan68(Smooth()) as detector:
        found = detector.find(picture, BOX)
        assert detector(np.full((96, 96, 3), 127, np.uint8)) is None
    width = BOX[2] - BOX[0]
    x, y = (BOX[0] + BOX[2]) / 2 + LANDMARKS_RIGHT * width, (BOX[1] + BOX[3]) / 2 + LANDMARKS_DOWN * width
    half = np.array([LANDMARKS_WIDTH, LANDMARKS_HEIGHT]) * width / 2
    box = np.array([x - half[0], y - half[1], x + half[0], y + half[1], 1.0])
    whole = FaceAlignment.__new__(FaceAlignment)  # without what its __init__ downloads
    whole.device, whole.dtype, whole.flip_input, whole.max_batch_size = "cpu", torch.float32, True, 1
    whole.landmarks_type, whole.face_alignment_net = LandmarksType.TWO_D, Smooth()
    whole.face_detector = type("Boxes", (), {"reference_scale": 195})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = whole.get_landmarks_from_image(picture, detected_faces=[box])[0]
    # It cuts and answers in whole pixels; a heat map's pixel is more than three of the picture's.
    offset = found - expected
    assert np.abs(np.median(offset, 0)).max() < 1.0
    assert np.median(np.linalg.norm(offset, axis=1)) < 1.5
    assert found.std(0).min() > 20, "the points are spread, so agreement says something"


def test_a_square_comes_back_from_its_cut(picture: np.ndarray) -> None:
    square = Square.round_box(BOX, 0.8, 0.1, -0.05)
    assert (square.left, square.top, square.side) == pytest.approx((90.0, 65.0, 80.0))
    rows, columns = np.mgrid[:240, :240]
    numbered = np.stack([columns, rows, rows], -1).astype(np.float32) + 0.5
    cut = square.cut(numbered, 160)
    points = np.array([[40.5, 100.5], [120.5, 30.5]])
    for (column, row), place in zip(points, square.to_picture(points, 160), strict=True):
        np.testing.assert_allclose(cut[int(row), int(column), :2], place, atol=0.05)


def test_the_network_has_the_published_layout() -> None:
    state = fan_network().state_dict()
    assert sum(v.numel() for k, v in state.items() if "running" not in k and "num_batches" not in k) == 23_820_176
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert state["l3.weight"].shape == (68, 256, 1, 1)
