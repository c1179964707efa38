"""From DECA's scaled orthographic camera to the project's pinhole camera."""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.deca.crop import DecaCrop
from models.deca.encoder import INPUT_SIZE


def pinhole_translation(
    camera: Tensor, crops: Sequence[DecaCrop], focal: float, size: float, depth: Tensor | float = 0.0
) -> Tensor:
    """Translation [B, 3] (metres) with which a pinhole camera shows the posed head where DECA's camera [B, 3] does.

    focal: pixels of the picture; size: its side.  depth [B]: z of the head's points that shall lie exactly there (the
    face's surface, posed but not translated); nearer and farther points differ by the perspective that an orthographic
    camera does not know.  Frames: models/flame/camera.py.
    """
    left, top, step = torch.tensor([(c.left, c.top, c.step) for c in crops], dtype=camera.dtype).unbind(1)
    scale, shift_x, shift_y = camera.unbind(1)
    half = INPUT_SIZE / 2
    pixels_a_metre = scale * half * step
    # Where the crop's coordinates are zero in the picture, from the picture's middle.
    x, y = left + half * step - size / 2, top + half * step - size / 2
    return torch.stack(
        [shift_x + x / pixels_a_metre, shift_y - y / pixels_a_metre, -focal / pixels_a_metre - depth], dim=1
    )
