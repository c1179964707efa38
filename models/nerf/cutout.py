"""The person without the backdrop: from a render over black to straight colour and alpha."""

import cv2
import numpy as np
import torch
from scipy import ndimage

LOW, HIGH = (
    0.15,
    0.85,
)  # opacities that become wholly transparent and wholly opaque: clears the haze that training leaves
NOTHING = 0.05
LARGEST_HOLE = (
    2e-3  # share of the picture: larger openings are between hair and shoulder, smaller ones inside the person
)


def cut_out(values: torch.Tensor) -> torch.Tensor:
    """Render over a black plate [..., 4] (``rendering.render_with_opacity``) -> straight colour and alpha [..., 4].

    Just outside the person the colour goes on under an alpha of 0, so that an encoder does not darken the edge; where
    nothing is, it is black.
    """
    opacity = values[..., 3:]
    alpha = ((opacity - LOW) / (HIGH - LOW)).clamp(0, 1)
    alpha = alpha * alpha * (3 - 2 * alpha)
    colour = (values[..., :3] / opacity.clamp(min=NOTHING)).clamp(0, 1)
    return torch.cat([torch.where(opacity > NOTHING, colour, torch.zeros_like(colour)), alpha], dim=-1)


def without_holes(picture: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4] RGB and alpha: small openings inside the person closed and painted from their rims.

    Where the head is posed as it never was in training, head and torso may leave a gap at the collar; before the plate
    it hardly shows, before another backdrop it would be a hole.
    """
    solid = picture[..., 3] > 127
    regions, _ = ndimage.label(ndimage.binary_fill_holes(solid) & ~solid)
    sizes = np.bincount(regions.reshape(-1))
    small = (sizes > 0) & (sizes <= LARGEST_HOLE * solid.size)
    small[0] = False
    holes = small[regions]
    if not holes.any():
        return picture
    holes = ndimage.binary_dilation(holes) & (ndimage.binary_fill_holes(solid))
    colour = cv2.inpaint(np.ascontiguousarray(picture[..., :3]), holes.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return np.concatenate([colour, np.where(holes, 255, picture[..., 3])[..., None].astype(np.uint8)], axis=2)
