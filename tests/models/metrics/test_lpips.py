"""LPIPS against a float64 numpy computation written from the paper, with random and with the published weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.metrics.lpips import Lpips
from tasks.artifacts.lpips import read_lpips
from tasks.errors import BadInput, MissingInput

CHANNELS = (3, 64, 192, 384, 256, 256)
KERNELS = (11, 5, 3, 3, 3)


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    layout: dict[str, Any] = {"AlexNet_0": {}}
    for i, kernel in enumerate(KERNELS):
        fan = kernel * kernel * CHANNELS[i]
        layout["AlexNet_0"][f"Conv_{i}"] = {
            "kernel": rng.normal(0, fan**-0.5, (kernel, kernel, CHANNELS[i], CHANNELS[i + 1])).astype("f4"),
            "bias": rng.normal(0, 0.1, CHANNELS[i + 1]).astype("f4"),
        }
        layout[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": rng.random((1, 1, CHANNELS[i + 1], 1)).astype("f4")}}
    return layout


def pair(size: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.random((size, size, 3))
    return a, np.clip(a + rng.normal(0, 0.2, a.shape), 0, 1)


def reference(arrays: dict[str, Any], a: np.ndarray, b: np.ndarray) -> float:
    """Float64, channels last, convolution as a sum over shifted windows; a, b: [H, W, 3] in [0, 1]."""

    def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int, padding: int) -> np.ndarray:
        x = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        k = len(kernel)
        rows, columns = ((side - k) // stride + 1 for side in x.shape[:2])
        out = np.zeros((rows, columns, kernel.shape[3])) + bias
        for dy in range(k):
            for dx in range(k):
                window = x[dy : dy + stride * rows : stride, dx : dx + stride * columns : stride]
                out += window[:rows, :columns] @ kernel[dy, dx].astype(np.float64)
        return out

    def pool(x: np.ndarray) -> np.ndarray:
        rows, columns = ((side - 3) // 2 + 1 for side in x.shape[:2])
        shifted = [x[dy : dy + 2 * rows : 2, dx : dx + 2 * columns : 2][:rows, :columns]
                   for dy in range(3) for dx in range(3)]  # fmt: skip
        return np.max(shifted, axis=0)

    def features(picture: np.ndarray) -> list[np.ndarray]:
        x = (picture * 2 - 1 - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
        found = []
        for i, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)]):
            layer = arrays["AlexNet_0"][f"Conv_{i}"]
            x = np.maximum(convolve(pool(x) if i in (1, 2) else x, layer["kernel"], layer["bias"], stride, padding), 0)
            found.append(x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-10))
        return found

    total = 0.0
    for i, (first, second) in enumerate(zip(features(a), features(b), strict=True)):
        head = arrays[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].reshape(-1).astype(np.float64)
        total += float((((first - second) ** 2) @ head).mean())
    return total


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1)[None]).float()


def test_equals_the_reference(arrays: dict[str, Any]) -> None:
    network = Lpips.from_arrays(arrays)
    for size in (31, 48, 64):
        a, b = pair(size, seed=size)
        assert network(tensor(a), tensor(b)).item() == pytest.approx(reference(arrays, a, b), rel=2e-5)


def test_equals_the_reference_with_the_published_weights(lpips_path: Path) -> None:
    from tasks.artifacts.safe_pickle import read_pickle

    a, b = pair(64, seed=2)
    expected = reference(read_pickle(lpips_path, "assets"), a, b)
    assert read_lpips(lpips_path)(tensor(a), tensor(b)).item() == pytest.approx(expected, rel=2e-5)


def test_published_weights_behave(lpips_path: Path) -> None:
    """Zero for equal pictures, symmetric, grows with blur."""
    network = read_lpips(lpips_path)
    y, x = np.mgrid[:96, :96] / 96
    picture = np.stack([np.sin(40 * x) * np.cos(31 * y), x, np.sin(25 * x * y)], -1) * 0.4 + 0.5
    shifted = [np.mean([np.roll(picture, s, 1) for s in range(-r, r + 1)], 0) for r in (1, 2, 4)]
    distances = [network(tensor(picture), tensor(other)).item() for other in shifted]
    assert network(tensor(picture), tensor(picture)).item() == 0
    assert network(tensor(shifted[0]), tensor(picture)).item() == pytest.approx(distances[0], rel=1e-5)
    assert 0.001 < distances[0] < distances[1] < distances[2] < 2


def test_region_weights(arrays: dict[str, Any]) -> None:
    network = Lpips.from_arrays(arrays)
    a, b = (tensor(p) for p in pair(64))
    assert network(a, b, torch.ones(1, 64, 64)).item() == pytest.approx(network(a, b).item(), rel=1e-5)
    half = b.clone()
    half[..., :24] = a[..., :24]  # equal on the left, different on the right
    left, right = torch.zeros(1, 64, 64), torch.zeros(1, 64, 64)
    left[..., :8] = 1
    right[..., 56:] = 1
    whole = network(a, half).item()
    assert network(a, half, left).item() < 0.5 * whole < whole < network(a, half, right).item()
    assert torch.isnan(network(a, b, torch.zeros(1, 64, 64))).item()


def test_is_a_usable_loss(arrays: dict[str, Any]) -> None:
    """Gradients reach the picture, stay finite even on flat pictures, agree with a finite difference, and no weight
    of the network wants one."""
    network = Lpips.from_arrays(arrays)
    a, b = (tensor(p) for p in pair(32, seed=3))
    a.requires_grad_()
    network(a, b).sum().backward()
    assert a.grad is not None
    assert a.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())
    step = a.grad / a.grad.norm()
    with torch.no_grad():
        slope = (network(a + 1e-2 * step, b) - network(a - 1e-2 * step, b)) / 2e-2
    assert slope.item() == pytest.approx(a.grad.norm().item(), rel=0.1)
    dead = Lpips.from_arrays(arrays)
    for convolution in dead.convolutions:
        convolution.weight.zero_()
        convolution.bias.fill_(-1.0)
    flat = torch.zeros(1, 3, 32, 32, requires_grad=True)
    dead(flat, b).sum().backward()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()


def test_refusals(arrays: dict[str, Any], tmp_path: Path) -> None:
    import pickle

    with pytest.raises(ValueError, match="31 pixels"):
        Lpips.from_arrays(arrays)(torch.zeros(1, 3, 30, 30), torch.zeros(1, 3, 30, 30))
    with pytest.raises(MissingInput, match="assets fetch"):
        read_lpips(tmp_path / "none.ckpt")
    for wrong, reason in (
        ({"AlexNet_0": {}}, "no 'Conv_0'"),
        ([1, 2], "not the LPIPS"),
        ({**arrays, "NetLinLayer_3": {"Conv_0": {"kernel": np.ones((1, 1, 7, 1))}}}, "head 3"),
        ({**arrays, "NetLinLayer_3": {"Conv_0": {"kernel": np.full((1, 1, 256, 1), np.nan)}}}, "not finite"),
    ):
        path = tmp_path / "wrong.ckpt"
        path.write_bytes(pickle.dumps(wrong))
        with pytest.raises(BadInput, match=reason):
            read_lpips(path)
