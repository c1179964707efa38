"""Rays of the project's camera, and their passage into the head frame.

Camera (tasks/artifacts/flame.py): x right, y up, looks along -z; u = cx + f X / -Z, v = cy - f Y / -Z.
"""

import torch


def pixel_centres(size: int, image_size: int | None = None, device: torch.device | None = None) -> torch.Tensor:
    """Centres of the pixels of a ``size`` x ``size`` picture, in pixels of ``image_size``: [size*size, 2] (u, v).

    Row-major: pixel (row i, column j) is entry i * size + j and lies at ((j + .5), (i + .5)) * image_size / size.
    """
    scale = (image_size or size) / size
    steps = (torch.arange(size, dtype=torch.float32, device=device) + 0.5) * scale
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([u.reshape(-1), v.reshape(-1)], dim=-1)


def camera_rays(pixels: torch.Tensor, focal: float, image_size: int) -> torch.Tensor:
    """Directions [..., 3] in the camera frame of pixels [..., 2] (u, v in pixels of ``image_size``).

    Scaled so that z = -1: the point ``depth * direction`` lies ``depth`` metres in front of the camera plane, and a
    depth means the same in the camera and (after ``to_head_frame``) in the head frame.
    """
    x = (pixels[..., 0] - 0.5 * image_size) / focal
    y = -(pixels[..., 1] - 0.5 * image_size) / focal
    return torch.stack([x, y, -torch.ones_like(x)], dim=-1)


def to_head_frame(
    directions: torch.Tensor, rotation: torch.Tensor, translation: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Camera rays of F frames seen from the head: the inverse of x_camera = R x_head + t.

    directions [F, N, 3]; rotation [F, 3, 3]; translation [F, 3].
    Returns the camera's place in the head frame [F, 1, 3] and the directions [F, N, 3].
    """
    origin = -torch.einsum("fij,fi->fj", rotation, translation)
    # d_head = R^T d_camera, written for row vectors.
    return origin[:, None, :], torch.bmm(directions, rotation)
