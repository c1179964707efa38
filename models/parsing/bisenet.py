"""BiSeNet for face parsing (Yu et al. 2018, "BiSeNet: Bilateral Segmentation Network"), 19 classes of CelebAMask-HQ.

The variant of the published weights ``79999_iter.pth``: the context path is a ResNet-18, and its features at 1/8 of the
picture stand in for the paper's spatial path.  Modules are named so that the state dictionary has that file's keys.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = (
    "background", "skin", "left brow", "right brow", "left eye", "right eye", "glasses", "left ear", "right ear",
    "earring", "nose", "mouth", "upper lip", "lower lip", "neck", "necklace", "cloth", "hair", "hat",
)  # fmt: skip
INPUT_SIZE = 512  # pixels a side of the pictures it was trained on
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, in 0..1


class ConvBNReLU(nn.Module):
    """Convolution without bias, batch norm, ReLU; the size is kept."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside the identity (He et al. 2016), or a 1x1 projection of it where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        return F.relu(kept + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class ResNet18(nn.Module):
    """Features at 1/8, 1/16 and 1/32 of the picture: [B, 128 | 256 | 512, h, w] of [B, 3, H, W]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    """The paper's ARM: features times a gate per channel that their mean over the picture opens."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(inputs, outputs)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        features = self.conv(x)
        gate = self.bn_atten(self.conv_atten(features.mean((2, 3), keepdim=True)))
        return features * torch.sigmoid(gate)


class ContextPath(nn.Module):
    """ResNet-18, refined from coarse to fine; gives the ResNet's features at 1/8, and refined ones at 1/8 and 1/16."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()
        self.arm16 = AttentionRefinement(256, 128)
        self.arm32 = AttentionRefinement(512, 128)
        self.conv_head32 = ConvBNReLU(128, 128)
        self.conv_head16 = ConvBNReLU(128, 128)
        self.conv_avg = ConvBNReLU(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        eighth, sixteenth, coarsest = self.resnet(x)
        whole = self.conv_avg(coarsest.mean((2, 3), keepdim=True))
        upper = F.interpolate(self.arm32(coarsest) + whole, size=sixteenth.shape[2:], mode="nearest")
        upper = self.conv_head32(upper)
        lower = F.interpolate(self.arm16(sixteenth) + upper, size=eighth.shape[2:], mode="nearest")
        return eighth, self.conv_head16(lower), upper


class FeatureFusion(nn.Module):
    """The paper's FFM: both paths mixed by a 1x1 convolution, plus the mix times a gate per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convblk = ConvBNReLU(channels, channels, 1)
        self.conv1 = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        mixed = self.convblk(torch.cat([spatial, context], 1))
        gate = torch.sigmoid(self.conv2(F.relu(self.conv1(mixed.mean((2, 3), keepdim=True)))))
        return mixed * gate + mixed


class Output(nn.Module):
    """Logits of the classes from features."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(inputs, hidden)
        self.conv_out = nn.Conv2d(hidden, len(CLASSES), 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_out(self.conv(x))


class BiSeNet(nn.Module):
    """Logits [B, 19, H/8, W/8] of normalised pictures [B, 3, H, W], H and W multiples of 32.

    ``conv_out16`` and ``conv_out32`` are the heads of the auxiliary losses: in the file, not used here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cp = ContextPath()
        self.ffm = FeatureFusion(256)
        self.conv_out = Output(256, 256)
        self.conv_out16 = Output(128, 64)
        self.conv_out32 = Output(128, 64)

    def forward(self, x: Tensor) -> Tensor:
        spatial, context, _ = self.cp(x)
        return self.conv_out(self.ffm(spatial, context))


def normalised(rgb: Tensor) -> Tensor:
    """float32 [B, 3, 512, 512], the network's input, of uint8 RGB [B, H, W, 3]."""
    x = rgb.permute(0, 3, 1, 2).float() / 255
    if x.shape[2:] != (INPUT_SIZE, INPUT_SIZE):
        x = F.interpolate(x, size=(INPUT_SIZE, INPUT_SIZE), mode="bilinear", align_corners=False, antialias=True)
    return (x - x.new_tensor(MEAN)[:, None, None]) / x.new_tensor(SPREAD)[:, None, None]


def enlarged(logits: Tensor, shape: tuple[int, int]) -> Tensor:
    """Logits [B, 19, h, w] on the grid of a picture of ``shape``; corners on corners, as the network was trained."""
    return F.interpolate(logits, size=shape, mode="bilinear", align_corners=True)
