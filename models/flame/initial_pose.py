"""A first head pose for every frame, in closed form: from the detector's relative depth, or without one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.flame.rotation import matrix_to_axis_angle


@dataclass(frozen=True)
class InitialGuess:
    """What another part says of a clip before the fit begins.

    shape [S]: identity coefficients.  parameters(focal): the frames' parameters [N, 15 + E] (models/flame/
    landmark_model.py) with which a camera of that focal length shows the heads where they were seen; NaN rows: unknown.
    """

    shape: Tensor
    parameters: Callable[[float], Tensor]


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
    return _placed(rotation, scale, middle, model, joint, usable, focal, size)


def initial_pose_without_depth(
    rest: Tensor, joint: Tensor, points: np.ndarray, focal: float, size: float
) -> tuple[Tensor, Tensor, np.ndarray]:
    """The same from x and y alone (points [B, L, >= 2]): a scaled orthographic camera, fitted linearly.

    DeMenthon and Davis, "Model-based object pose in 25 lines of code" (1995), first step; the two rows found are made
    orthonormal by the nearest rotation.
    """
    seen = points[..., :2].astype(np.float64) * np.array([1.0, -1.0])
    model = rest.double().numpy()
    centre = model.mean(0)
    middle = seen.mean(1)
    usable = np.isfinite(middle).all(1)
    offsets = np.where(usable[:, None, None], seen - middle[:, None], 0.0)
    rows = np.einsum("cl,blr->brc", np.linalg.pinv(model - centre), offsets)  # [B, 2, 3]
    rows = np.where(usable[:, None, None], rows, np.eye(3)[:2])
    u, s, vt = np.linalg.svd(rows, full_matrices=False)
    first, second = np.moveaxis(u @ vt, 1, 0)
    rotation = np.stack([first, second, np.cross(first, second)], 1)
    return _placed(rotation, s.mean(1), middle, model, joint, usable, focal, size)


def _placed(
    rotation: np.ndarray,
    scale: np.ndarray,
    middle: np.ndarray,
    model: np.ndarray,
    joint: Tensor,
    usable: np.ndarray,
    focal: float,
    size: float,
) -> tuple[Tensor, Tensor, np.ndarray]:
    """Axis-angle, translation and scale where the model's points [L, 3], turned and scaled, have their mean at
    ``middle`` [B, >= 2] (pixels, v up)."""
    centre = model.mean(0)
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
