"""What is known of one frame before its pixels are labelled, on a grid that is large enough to judge colours by."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.parsing import outline
from models.parsing.outline import HeadAxes, head_axes, lobe_line, polygon

LARGEST = 256  # pixels: longest side of the pictures that colours are read from; the matte network sees no more


@dataclass(frozen=True)
class Evidence:
    """One frame, reduced: rgb uint8 [H, W, 3]; matte float32 [H, W]; points float32 [478, 2+] px of it, or None where
    no face was found; skull, neck: float32 [N, 2] px, vertices of the fitted head in the picture, or None without a
    fit."""

    rgb: np.ndarray
    matte: np.ndarray
    points: np.ndarray | None
    skull: np.ndarray | None = None
    neck: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.rgb.shape[0], self.rgb.shape[1]


@dataclass(frozen=True)
class Geometry:
    """Masks bool [H, W] and maps of one frame that follow from its points alone."""

    axes: HeadAxes
    above: np.ndarray
    oval: np.ndarray
    u: np.ndarray
    v: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, shape: tuple[int, int]) -> "Geometry":
        axes = head_axes(points)
        x, y = np.arange(shape[1], dtype=np.float32) + 0.5, np.arange(shape[0], dtype=np.float32)[:, None] + 0.5
        m = axes.matrix.astype(np.float32)
        u = m[0, 0] * x + m[0, 1] * y + m[0, 2]
        v = m[1, 0] * x + m[1, 1] * y + m[1, 2]
        return cls(axes, lobe_line(points, axes, shape), polygon(points, outline.FACE_OVAL, shape), u, v)


def reduced(rgb: np.ndarray, largest: int = LARGEST) -> np.ndarray:
    """The picture uint8 [H, W, 3] with its longest side at most ``largest``; itself where it is no larger."""
    height, width = rgb.shape[:2]
    scale = largest / max(height, width)
    if scale >= 1:
        return rgb
    return cv2.resize(rgb, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)


def moved(points: np.ndarray, source: tuple[int, int], target: tuple[int, int]) -> np.ndarray:
    """Points [N, 2+] px of a picture of shape ``source`` (H, W) in the same picture resized to ``target``; x and y only
    are scaled."""
    result = np.array(points, np.float32)
    result[:, 0] *= target[1] / source[1]
    result[:, 1] *= target[0] / source[0]
    return result
