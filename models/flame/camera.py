"""The pinhole camera of the project: x right, y up, looking along -z; pixels with v down, origin top left."""

from torch import Tensor, stack


def project(points: Tensor, focal: Tensor | float, size: float) -> Tensor:
    """Pixel positions [..., 2] of camera-frame points [..., 3] (metres) in a square picture of ``size`` pixels.

    focal: focal length in pixels, a number or a tensor that broadcasts against points[..., 0].
    The principal point is the centre, (size / 2, size / 2); pixel (i, j) has its centre at (j + 0.5, i + 0.5).
    Points on or behind the camera plane (z >= 0) have no picture; the result there is meaningless.
    """
    x, y, z = points.unbind(-1)
    scale = focal / -z
    return stack([size / 2 + scale * x, size / 2 - scale * y], -1)
