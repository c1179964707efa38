"""DECA's network against a ResNet-50 written out in functions, and its parameters by name."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.deca.encoder import INPUT_SIZE, OUTPUT_SIZE, DecaEncoder, split


@pytest.fixture(scope="module")
def network() -> DecaEncoder:
    torch.manual_seed(0)
    network = DecaEncoder().eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
    for name, parameter in network.named_parameters():
        if ".bn" in name:
            parameter.data.uniform_(0.5, 1.2)
    return network.double()


def resnet50(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """Features [B, 2048] from tensors named as in torchvision; nothing of the network under test is used."""

    def convolve(name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return functional.conv2d(x, state[f"{name}.weight"], stride=stride, padding=padding)

    def normalise(name: str, x: Tensor) -> Tensor:
        mean, variance, weight, bias = (
            state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    x = normalise("bn1", convolve("conv1", x, 2, 3)).clamp_min(0)
    x = functional.max_pool2d(x, 3, 2, 1)
    for layer, blocks in ((1, 3), (2, 4), (3, 6), (4, 3)):
        for block in range(blocks):
            name = f"layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            kept = x
            if block == 0:
                kept = normalise(f"{name}.downsample.1", convolve(f"{name}.downsample.0", x, stride))
            y = normalise(f"{name}.bn1", convolve(f"{name}.conv1", x)).clamp_min(0)
            y = normalise(f"{name}.bn2", convolve(f"{name}.conv2", y, stride, 1)).clamp_min(0)
            x = (normalise(f"{name}.bn3", convolve(f"{name}.conv3", y)) + kept).clamp_min(0)
    return x.mean((2, 3))


def test_the_network_is_resnet50_and_two_layers(network: DecaEncoder) -> None:
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    state = network.state_dict()
    features = resnet50({k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")}, pictures)
    hidden = (features @ state["layers.0.weight"].T + state["layers.0.bias"]).clamp_min(0)
    expected = hidden @ state["layers.2.weight"].T + state["layers.2.bias"]
    with torch.no_grad():
        found = network(pictures)
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_the_state_has_the_published_layout(network: DecaEncoder) -> None:
    state = network.state_dict()
    weights = {name for name in state if not name.endswith("num_batches_tracked")}
    # 53 convolutions, 53 normalisations of four tensors, two linear layers.
    assert len(weights) == 53 + 4 * 53 + 4
    assert state["encoder.conv1.weight"].shape == (64, 3, 7, 7)
    assert state["encoder.layer4.2.conv3.weight"].shape == (2048, 512, 1, 1)
    assert state["layers.0.weight"].shape == (1024, 2048)
    assert state["layers.2.weight"].shape == (236, 1024)
    assert sum(p.numel() for p in network.encoder.parameters()) == 23_508_032  # ResNet-50's 25,557,032 less its fc


def test_parameters_by_name() -> None:
    code = split(torch.arange(2 * OUTPUT_SIZE).reshape(2, OUTPUT_SIZE))
    first = {name: int(getattr(code, name).reshape(2, -1)[0, 0]) for name in code.__dataclass_fields__}
    assert first == {
        "shape": 0, "texture": 100, "expression": 150, "global_rotation": 200, "jaw_rotation": 203, "camera": 206,
        "light": 209,
    }  # fmt: skip
    assert code.light.shape == (2, 9, 3)
    assert int(code.light[1, 8, 2]) == 2 * OUTPUT_SIZE - 1


def test_only_crops_are_encoded(network: DecaEncoder) -> None:
    with pytest.raises(ValueError, match=f"{INPUT_SIZE}"):
        network.encode(torch.zeros(1, 3, 64, 64, dtype=torch.float64))
