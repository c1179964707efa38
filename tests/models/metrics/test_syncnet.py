"""SyncNet: the published file's names and sizes, the search for the offset, the face crop."""

import numpy as np
import pytest
import torch

from models.metrics.syncnet import (
    EMPTY,
    LEAST,
    REACH,
    SIDE,
    SyncNet,
    agreement,
    crop_face,
    face_square,
    sound_windows,
)

# Weights of the published file by name; each convolution and each first linear layer is followed by its normalisation.
PUBLISHED = {
    "netcnnaud.0": (64, 1, 3, 3), "netcnnaud.4": (192, 64, 3, 3), "netcnnaud.8": (384, 192, 3, 3),
    "netcnnaud.11": (256, 384, 3, 3), "netcnnaud.14": (256, 256, 3, 3), "netcnnaud.18": (512, 256, 5, 4),
    "netfcaud.0": (512, 512), "netfcaud.3": (1024, 512), "netfclip.0": (512, 512), "netfclip.3": (1024, 512),
    "netcnnlip.0": (96, 3, 5, 7, 7), "netcnnlip.4": (256, 96, 1, 5, 5), "netcnnlip.8": (256, 256, 1, 3, 3),
    "netcnnlip.11": (256, 256, 1, 3, 3), "netcnnlip.14": (256, 256, 1, 3, 3), "netcnnlip.18": (512, 256, 1, 6, 6),
}  # fmt: skip


@pytest.fixture(scope="module")
def network() -> SyncNet:
    torch.manual_seed(0)
    return SyncNet().eval()


def test_names_and_sizes_are_the_published_files(network: SyncNet) -> None:
    state = network.state_dict()
    expected = set()
    for name, shape in PUBLISHED.items():
        assert tuple(state[f"{name}.weight"].shape) == shape
        expected |= {f"{name}.weight", f"{name}.bias"}
        if name not in ("netfcaud.3", "netfclip.3"):
            part, index = name.split(".")
            following = f"{part}.{int(index) + 1}"
            assert tuple(state[f"{following}.running_var"].shape) == shape[:1]
            expected |= {f"{following}.{kind}" for kind in ("weight", "bias", "running_mean", "running_var")}
            expected.add(f"{following}.num_batches_tracked")
    assert set(state) == expected


def test_both_sides_end_in_one_space(network: SyncNet) -> None:
    with torch.no_grad():
        assert network.embed_sound(torch.zeros(2, 1, 13, 20)).shape == (2, 1024)
        assert network.embed_lips(torch.zeros(1, 3, 5, SIDE, SIDE)).shape == (1, 1024)


@pytest.mark.parametrize("shift", [-4, 0, 7])
def test_the_offset_is_found(shift: int) -> None:
    generator = torch.Generator().manual_seed(1)
    sound = torch.randn(80, 16, generator=generator)
    lips = torch.roll(sound, shift, 0)  # what is heard at i - shift is seen at i
    found = agreement(lips, sound)
    assert found.offset == shift
    # By loops, as the papers' definition reads.
    distances = []
    for lag in range(-REACH, REACH + 1):
        apart = []
        for i in range(80):
            heard = sound[i + lag] if 0 <= i + lag < 80 else torch.zeros(16)
            apart.append(float((lips[i] - heard + 1e-6).norm()))
        distances.append(np.mean(apart))
    assert found.distance == pytest.approx(min(distances), rel=1e-4)
    assert found.confidence == pytest.approx(np.median(distances) - min(distances), rel=1e-4)


def test_sound_of_a_window() -> None:
    rows = np.arange(40.0)[:, None] + np.zeros(13)
    windows = sound_windows(rows, 8)
    assert windows.shape == (8, 1, 13, 20)
    assert windows[0, 0, 5].tolist() == list(range(20))
    assert windows[2, 0, 0, 0] == 8
    assert windows[7, 0, 0, -1] == 39  # beyond the end: the last row


def test_crop() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[..., 0] = np.arange(100)[None]  # red: the column
    picture[..., 1] = np.arange(100)[:, None]  # green: the row
    crop = crop_face(picture, (50.0, 40.0, 20.0))
    assert crop.shape == (SIDE, SIDE, 3)
    # 20 * 1.4 to each side, 20 above and 20 * 1.8 below; blue, green, red.
    assert crop[112, 0, 2] == pytest.approx(22, abs=1)
    assert crop[112, -1, 2] == pytest.approx(78, abs=1)
    assert crop[0, 112, 1] == pytest.approx(20, abs=1)
    assert crop[-1, 112, 1] == pytest.approx(76, abs=1)
    outside = crop_face(picture, (5.0, 40.0, 20.0))
    assert outside[100, 2].tolist() == [EMPTY] * 3


def test_square_round_landmarks() -> None:
    points = np.array([[10.0, 40.0], [50.0, 40.0], [30.0, 80.0]])
    assert face_square(points) == (30.0, 55.0, 25.0)
    assert not np.isfinite(face_square(np.full((68, 2), np.nan))).any()
    assert LEAST > 2 * REACH
