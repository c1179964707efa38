"""iBUG-68 landmarks by FAN, the face alignment network of the package face-alignment.

Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?" (ICCV 2017).  The network is
the package's; cutting out the face and reading the heat maps is done here, because the package's own functions download
a second network to find the face and round the points to whole pixels of the picture.
"""

from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor, nn

from models.landmarks.boxed import BoxedDetector, Square

INPUT_SIZE, MAP_SIZE = 256, 64
# The box that the network was trained with (the landmarks' own) in widths of BlazeFace's: medians over 89 frames of a
# real clip, in which the face mesh gave the landmarks.
LANDMARKS_WIDTH, LANDMARKS_HEIGHT, LANDMARKS_RIGHT, LANDMARKS_DOWN = 0.906, 0.855, -0.014, 0.065
# Published preprocessing: a square of 200 / 195 times width and height together, raised by 0.12 of the height.
SHOWN = 200 / 195 * (LANDMARKS_WIDTH + LANDMARKS_HEIGHT)
DOWN = LANDMARKS_DOWN - 0.12 * LANDMARKS_HEIGHT


def fan_network() -> nn.Module:
    """2DFAN-4 (four stacked hourglasses) without weights: [B, 3, 256, 256] in 0..1 -> a list of heat maps
    [B, 68, 64, 64], one a stack."""
    # Late: the package compiles functions while it is imported, which takes seconds.
    from face_alignment.models import FAN

    return FAN(4)


class Fan68(BoxedDetector):
    """network: ``fan_network()`` with its published weights, in evaluation mode."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        from face_alignment.utils import flip

        self._flip = flip
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device)
        self.name = f"FAN (face-alignment {version('face-alignment')}, 2DFAN-4) in boxes of {self._boxes.name}"

    @torch.inference_mode()
    def find(self, rgb: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
        """See BoxedDetector.  The heat maps are the mean over the face and its mirror image, as published."""
        square = Square.round_box(box, SHOWN, LANDMARKS_RIGHT, DOWN)
        shown = torch.from_numpy(square.cut(rgb, INPUT_SIZE)).permute(2, 0, 1)[None].to(self._device) / 255
        maps = self._network(shown)[-1] + self._flip(self._network(self._flip(shown))[-1], is_label=True)
        return square.to_picture(peaks(maps[0].float().cpu()).numpy(), MAP_SIZE)


def peaks(maps: Tensor) -> Tensor:
    """Positions [L, 2] (x, y) of the maxima of heat maps [L, H, W]: pixel centres at half integers, moved by a quarter
    towards the higher neighbour, as published; where the maximum is on the border, not moved."""
    count, height, width = maps.shape
    index = maps.flatten(1).argmax(1)
    row, column = index // width, index % width
    inside = (row > 0) & (row < height - 1) & (column > 0) & (column < width - 1)
    r, c = row.clamp(1, height - 2), column.clamp(1, width - 2)
    each = torch.arange(count)
    across = maps[each, r, c + 1] - maps[each, r, c - 1]
    down = maps[each, r + 1, c] - maps[each, r - 1, c]
    move = 0.25 * torch.stack([across.sign(), down.sign()], 1) * inside[:, None]
    return torch.stack([column, row], 1) + 0.5 + move
