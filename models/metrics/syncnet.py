"""SyncNet: how well lips and sound agree (Chung & Zisserman, "Out of time: automated lip sync in the wild", 2016).

The network of the published ``syncnet_v2.model`` (layer names and sizes are the file's), and the two figures that
papers derive from it after Prajwal et al., "A Lip Sync Expert Is All You Need" (2020): LSE-D, the least mean distance
of picture and sound over the offsets, and LSE-C, the median over the offsets less that.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SIDE = 224  # pixels of a face crop
FRAMES = 5  # of a window
ROWS_PER_FRAME, ROWS = 4, 20  # of the sound's coefficients, which come at 100 Hz
REACH = 15  # frames either way in which the offset is sought
LEAST = 2 * REACH + FRAMES  # frames below which most of what is compared would be padding
MARGIN = 0.4  # of the crop, in half sizes of the face box
EMPTY = 110  # level of what lies outside the picture
FOREHEAD = 0.25  # of the height from chin to brows, by which a detector's box reaches above the brows


class SyncNet(nn.Module):
    """Embeddings [B, 1024] of sound [B, 1, 13, 20] and of pictures [B, 3, 5, 224, 224] (BGR, 0..255)."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_layer2(1, 64), nn.MaxPool2d(1, 1),
            *_layer2(64, 192), nn.MaxPool2d(3, (1, 2)),
            *_layer2(192, 384), *_layer2(384, 256), *_layer2(256, 256), nn.MaxPool2d(3, 2),
            *_layer2(256, 512, (5, 4), 0),
        )  # fmt: skip
        self.netfcaud = _head()
        self.netfclip = _head()
        self.netcnnlip = nn.Sequential(
            *_layer3(3, 96, (5, 7, 7), 2, 0), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_layer3(96, 256, (1, 5, 5), 2, 1), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_layer3(256, 256), *_layer3(256, 256), *_layer3(256, 256), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_layer3(256, 512, (1, 6, 6), 1, 0),
        )  # fmt: skip

    def embed_sound(self, coefficients: torch.Tensor) -> torch.Tensor:
        return self.netfcaud(self.netcnnaud(coefficients).flatten(1))

    def embed_lips(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.netfclip(self.netcnnlip(pictures).flatten(1))


def _layer2(inputs: int, outputs: int, size: int | tuple[int, int] = 3, padding: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, size, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU()]


def _layer3(
    inputs: int, outputs: int, size: tuple[int, int, int] = (1, 3, 3), stride: int = 1, padding: int = 1
) -> list[nn.Module]:
    convolution = nn.Conv3d(inputs, outputs, size, (1, stride, stride), (0, padding, padding))
    return [convolution, nn.BatchNorm3d(outputs), nn.ReLU()]


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))


@dataclass(frozen=True)
class Agreement:
    """distance: LSE-D, lower is better.  confidence: LSE-C, higher is better.  offset: frames by which the lips come
    after the sound where both agree best (positive: the picture is late)."""

    distance: float
    confidence: float
    offset: int


def agreement(lips: torch.Tensor, sound: torch.Tensor) -> Agreement:
    """From embeddings [N, 1024] of the same windows."""
    padded = F.pad(sound, (0, 0, REACH, REACH))
    windows = padded.unfold(0, 2 * REACH + 1, 1).transpose(1, 2)  # [N, 2 REACH + 1, 1024]
    distances = F.pairwise_distance(lips[:, None], windows).mean(0)
    least = int(distances.argmin())
    distance = float(distances[least])
    return Agreement(distance, float(distances.median()) - distance, REACH - least)


def sound_windows(coefficients: np.ndarray, count: int) -> torch.Tensor:
    """float32 [count, 1, 13, 20]: the sound of windows of FRAMES frames that begin at frames 0 to ``count`` - 1.

    coefficients [M, 13] (models/speech/mfcc.py); rows that are missing at the end repeat the last.
    """
    rows = np.arange(count)[:, None] * ROWS_PER_FRAME + np.arange(ROWS)
    chosen = coefficients[np.minimum(rows, len(coefficients) - 1)]
    return torch.from_numpy(chosen.transpose(0, 2, 1)[:, None].astype(np.float32))


def face_square(points: np.ndarray) -> tuple[float, float, float]:
    """Middle x, y and half size of a face detector's box round iBUG-68 points [68, 2]; NaN where they are.

    SyncNet's crops were made round the boxes of a detector (S3FD) whose box reaches above the brows; the landmarks'
    box is enlarged to that.
    """
    (left, top), (right, bottom) = points.min(0), points.max(0)
    top -= FOREHEAD * (bottom - top)
    return (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top) / 2


def crop_face(picture: np.ndarray, square: np.ndarray | tuple[float, float, float]) -> np.ndarray:
    """uint8 BGR [224, 224, 3] of uint8 RGB [H, W, 3]: the square with MARGIN at the sides and twice that below."""
    x, y, half = square
    edge = int(half * (1 + 2 * MARGIN))
    padded = cv2.copyMakeBorder(picture, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(EMPTY,) * 3)
    top, bottom = int(y + edge - half), int(y + edge + half * (1 + 2 * MARGIN))
    left, right = int(x + edge - half * (1 + MARGIN)), int(x + edge + half * (1 + MARGIN))
    part = padded[max(top, 0) : max(bottom, 1), max(left, 0) : max(right, 1)]
    return np.ascontiguousarray(cv2.resize(part, (SIDE, SIDE))[..., ::-1])
