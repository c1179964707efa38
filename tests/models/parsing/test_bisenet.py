"""BiSeNet against the published file's layout, and against the same network written as plain functions."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.parsing.bisenet import CLASSES, INPUT_SIZE, BiSeNet, enlarged, normalised


def random_network(seed: int = 0) -> BiSeNet:
    """Weights and running statistics at random, so that nothing cancels."""
    generator = torch.Generator().manual_seed(seed)
    network = BiSeNet().eval()
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        noise = torch.randn(value.shape, generator=generator)
        if value.ndim == 4:
            value.copy_(noise * (2 / value[0].numel()) ** 0.5)
        elif name.endswith("running_var"):
            value.copy_(noise.abs() + 0.5)
        else:
            value.copy_(1 + 0.2 * noise if name.endswith("weight") else 0.2 * noise)
    return network


class Reference:
    """The network on a state dictionary alone: batch norms folded into their convolutions, means as sums."""

    def __init__(self, state: dict[str, Tensor]):
        self.state = {name: value.double() for name, value in state.items()}

    def conv(self, x: Tensor, conv: str, norm: str | None = None, stride: int = 1) -> Tensor:
        weight = self.state[f"{conv}.weight"]
        bias = None
        if norm is not None:
            mean, variance = self.state[f"{norm}.running_mean"], self.state[f"{norm}.running_var"]
            scale = self.state[f"{norm}.weight"] / (variance + 1e-5).sqrt()
            weight, bias = weight * scale[:, None, None, None], self.state[f"{norm}.bias"] - mean * scale
        return F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2)

    def unit(self, x: Tensor, name: str) -> Tensor:
        return self.conv(x, f"{name}.conv", f"{name}.bn").clamp(min=0)

    @staticmethod
    def mean(x: Tensor) -> Tensor:
        return (x.flatten(2).sum(2) / (x.shape[2] * x.shape[3]))[:, :, None, None]

    @staticmethod
    def doubled(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    def layer(self, x: Tensor, name: str, stride: int) -> Tensor:
        for block in (0, 1):
            at, step = f"{name}.{block}", stride if block == 0 else 1
            y = self.conv(x, f"{at}.conv1", f"{at}.bn1", step).clamp(min=0)
            y = self.conv(y, f"{at}.conv2", f"{at}.bn2")
            if f"{at}.downsample.0.weight" in self.state:
                x = self.conv(x, f"{at}.downsample.0", f"{at}.downsample.1", step)
            x = (x + y).clamp(min=0)
        return x

    def refined(self, x: Tensor, name: str) -> Tensor:
        x = self.unit(x, f"{name}.conv")
        return x / (1 + (-self.conv(self.mean(x), f"{name}.conv_atten", f"{name}.bn_atten")).exp())

    def __call__(self, x: Tensor) -> Tensor:
        x = self.conv(x.double(), "cp.resnet.conv1", "cp.resnet.bn1", 2).clamp(min=0)
        x = self.layer(F.max_pool2d(x, 3, 2, 1), "cp.resnet.layer1", 1)
        eighth = self.layer(x, "cp.resnet.layer2", 2)
        sixteenth = self.layer(eighth, "cp.resnet.layer3", 2)
        last = self.layer(sixteenth, "cp.resnet.layer4", 2)
        up = self.doubled(self.refined(last, "cp.arm32") + self.unit(self.mean(last), "cp.conv_avg"))
        up = self.doubled(self.refined(sixteenth, "cp.arm16") + self.unit(up, "cp.conv_head32"))
        mixed = self.unit(torch.cat([eighth, self.unit(up, "cp.conv_head16")], 1), "ffm.convblk")
        gate = self.conv(self.conv(self.mean(mixed), "ffm.conv1").clamp(min=0), "ffm.conv2")
        mixed = mixed * (1 + 1 / (1 + (-gate).exp()))
        return self.conv(self.unit(mixed, "conv_out.conv"), "conv_out.conv_out")


def test_the_layout_is_the_published_files():
    state = BiSeNet().state_dict()
    assert len(state) == 191
    assert len(CLASSES) == 19
    # The published file has 53,289,463 bytes; the rest is its index.
    assert 0 < 53_289_463 - sum(value.numel() * value.element_size() for value in state.values()) < 60_000
    expected = {
        "cp.resnet.conv1.weight": (64, 3, 7, 7),
        "cp.resnet.layer1.1.bn2.running_var": (64,),
        "cp.resnet.layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "cp.resnet.layer4.0.downsample.1.num_batches_tracked": (),
        "cp.resnet.layer4.1.conv2.weight": (512, 512, 3, 3),
        "cp.arm16.conv.conv.weight": (128, 256, 3, 3),
        "cp.arm16.conv_atten.weight": (128, 128, 1, 1),
        "cp.arm32.bn_atten.bias": (128,),
        "cp.conv_head32.conv.weight": (128, 128, 3, 3),
        "cp.conv_head16.bn.weight": (128,),
        "cp.conv_avg.conv.weight": (128, 512, 1, 1),
        "ffm.convblk.conv.weight": (256, 256, 1, 1),
        "ffm.conv1.weight": (64, 256, 1, 1),
        "ffm.conv2.weight": (256, 64, 1, 1),
        "conv_out.conv.conv.weight": (256, 256, 3, 3),
        "conv_out.conv_out.weight": (19, 256, 1, 1),
        "conv_out16.conv.conv.weight": (64, 128, 3, 3),
        "conv_out32.conv_out.weight": (19, 64, 1, 1),
    }
    assert {name: tuple(state[name].shape) for name in expected} == expected
    assert not [name for name in state if name.startswith(("cp.resnet.fc", "sp."))]


@torch.no_grad()
def test_against_the_network_as_plain_functions():
    network = random_network()
    picture = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(1))
    logits = network(picture)
    assert logits.shape == (2, 19, 12, 8)
    expected = Reference(network.state_dict())(picture)
    assert expected.abs().max() > 0.5
    torch.testing.assert_close(logits.double(), expected, rtol=1e-3, atol=1e-3)


def test_input_and_output_grids():
    rgb = torch.zeros(1, 40, 40, 3, dtype=torch.uint8)
    rgb[..., 1] = 255
    x = normalised(rgb)
    assert x.shape == (1, 3, INPUT_SIZE, INPUT_SIZE)
    expected = torch.tensor([-0.485 / 0.229, (1 - 0.456) / 0.224, -0.406 / 0.225])
    torch.testing.assert_close(x.mean((0, 2, 3)), expected)
    ramp = torch.arange(8.0)[None, None, None].expand(1, 1, 8, 8)
    large = enlarged(ramp, (15, 15))
    torch.testing.assert_close(large[0, 0, 3], torch.arange(15) / 2)  # corners stay corners
