"""A first head pose for every frame, in closed form from the detector's relative depth."""

import numpy as np
import torch
from torch import Tensor

from models.flame.rotation import matrix_to_axis_angle


def initial_pose(
    rest: Tensor, joint: Tensor, mesh: np.ndarray, focal: float, size: float
) -> tuple[Tensor, Tensor, np.ndarray]:
    """Global rotation [B, 3], translation [B, 3] (metres) and scale [B] (pixels a metre) by similarity fits.

    rest [L, 3]: landmarks of the neutral head, metres; joint [3]: the root joint the rotation turns about;
    mesh [B, L, 3]: detected x, y (pixels) and relative depth (pixels, negative towards the camera).
    Umeyama 1991, with the picture's y and depth turned into the camera frame; frames with NaN give NaN.
    """
    points = mesh.astype(np.float64) * np.array([1.0, -1.0, -1.0])
    model = rest.double().numpy()
    centre = model.mean(0)
    middle = points.mean(1)
    covariance = np.einsum("blr,lc->brc", points - middle[:, None], model - centre)
    usable = np.isfinite(covariance).all((1, 2))
    u, s, vt = np.linalg.svd(np.where(usable[:, None, None], covariance, np.eye(3)))
    sign = np.linalg.det(u @ vt)
    flip = np.stack([np.ones_like(sign), np.ones_like(sign), sign], 1)
    rotation = (u * flip[:, None]) @ vt
    scale = (s * flip).sum(1) / np.square(model - centre).sum()
    depth = focal / scale
    middle_camera = np.stack(
        [(middle[:, 0] - size / 2) / scale, (middle[:, 1] + size / 2) / scale, -depth], 1
    )  # where the landmarks' mean lies
    pivot = joint.double().numpy()
    translation = middle_camera - (rotation @ (centre - pivot)) - pivot
    axis_angle = matrix_to_axis_angle(torch.from_numpy(rotation))
    axis_angle[~usable] = torch.nan
    translation[~usable] = np.nan
    return axis_angle, torch.from_numpy(translation), np.where(usable, scale, np.nan)
