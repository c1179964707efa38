"""The network: ResNet-50 (He et al. 2016, with the stride in the 3x3 convolution) and a two-layer regressor.

Modules are named so that the state dictionary has the published checkpoint's keys: ``encoder.*`` as in torchvision's
ResNet-50 without its classifier, ``layers.0`` and ``layers.2`` for the regressor.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

INPUT_SIZE = 224
SPLIT = {"shape": 100, "texture": 50, "expression": 50, "pose": 6, "camera": 3, "light": 27}
"""Order and length of the parameters in the output."""
OUTPUT_SIZE = sum(SPLIT.values())
_EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions beside the identity (or a 1x1 projection of it): [B, inputs, H, W] ->
    [B, 4 width, H / stride, W / stride]."""

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        outputs = _EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + kept)


class ResNet50(nn.Module):
    """Features [B, 2048] of pictures [B, 3, H, W], the mean over the last layer's positions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._layer(64, 64, 3, 1)
        self.layer2 = self._layer(256, 128, 4, 2)
        self.layer3 = self._layer(512, 256, 6, 2)
        self.layer4 = self._layer(1024, 512, 3, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)

    @staticmethod
    def _layer(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
        rest = [Bottleneck(_EXPANSION * width, width) for _ in range(blocks - 1)]
        return nn.Sequential(Bottleneck(inputs, width, stride), *rest)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.avgpool(x).flatten(1)


@dataclass(frozen=True)
class DecaCode:
    """What the encoder says of B pictures.

    shape [B, 100], expression [B, 50]: FLAME's first identity and expression components.  texture [B, 50]: of the
    albedo model.  global_rotation, jaw_rotation [B, 3]: axis-angle in radians, FLAME's axes (frontal: zero).
    camera [B, 3]: scale s and shift tx, ty; a point x, y of the posed head lies at s (x + tx), -s (y + ty) in
    coordinates that run from -1 to 1 over the crop, v down (models/deca/camera.py).  light [B, 9, 3]: spherical
    harmonics.
    """

    shape: Tensor
    texture: Tensor
    expression: Tensor
    global_rotation: Tensor
    jaw_rotation: Tensor
    camera: Tensor
    light: Tensor


class DecaEncoder(nn.Module):
    """``encoder`` and ``layers``, as in the checkpoint; always evaluate it in ``eval()`` mode."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ResNet50()
        self.layers = nn.Sequential(nn.Linear(2048, 1024), nn.ReLU(), nn.Linear(1024, OUTPUT_SIZE))

    def forward(self, pictures: Tensor) -> Tensor:
        """Raw output [B, 236] of RGB pictures [B, 3, 224, 224] in 0..1 (no further normalisation)."""
        return self.layers(self.encoder(pictures))

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> DecaCode:
        """The output of ``forward`` by name.  Raises ValueError for pictures of another shape."""
        if pictures.ndim != 4 or pictures.shape[1:] != (3, INPUT_SIZE, INPUT_SIZE):
            raise ValueError(f"expected pictures [B, 3, {INPUT_SIZE}, {INPUT_SIZE}], got {tuple(pictures.shape)}")
        return split(self(pictures))


def split(output: Tensor) -> DecaCode:
    """Name the columns of an output [B, 236]."""
    parts = dict(zip(SPLIT, output.split(list(SPLIT.values()), dim=1), strict=True))
    pose = parts.pop("pose")
    light = parts.pop("light").reshape(-1, 9, 3)
    return DecaCode(**parts, global_rotation=pose[:, :3], jaw_rotation=pose[:, 3:], light=light)
