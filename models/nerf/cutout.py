"""The person without the backdrop: from a render over black to straight colour and alpha."""

import torch

LOW, HIGH = (
    0.15,
    0.85,
)  # opacities that become wholly transparent and wholly opaque: clears the haze that training leaves
NOTHING = 0.05


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
