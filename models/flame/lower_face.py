"""The lower face of one expression with the upper face of another: a mouth that speaks under the same brows and lids.

With named actions one could sort the coefficients by hand; FLAME's principal components move the whole face.  Both
are served by asking for the coefficients whose vertices come nearest, in weighted least squares, to the one expression
below the nose and to the other above it.
"""

import torch

from models.flame.head import FlameHead

BELOW, ABOVE = 0.3, 0.6  # of the height from lips to eyes: wholly lower and wholly upper face
RIDGE = 1e-3  # share of the mean diagonal: an action that moves no vertex stays the lower expression's


def replace_lower_face(head: FlameHead, upper: torch.Tensor, lower: torch.Tensor) -> torch.Tensor:
    """Expressions [N, E] that are ``lower`` [N, E] round the mouth and ``upper`` [N, E] round the eyes."""
    height = head.template[:, 1].double()
    lips, eyes = (height[head.regions[name]].mean() for name in ("lips", "eyes"))
    share = ((height - lips) / (eyes - lips) - BELOW) / (ABOVE - BELOW)
    above = share.clamp(0, 1)
    basis = head.expression_basis.double().flatten(1)  # [E, 3 V]
    above_squares, below_squares = ((basis * weight.repeat_interleave(3)) @ basis.T for weight in (above, 1 - above))
    ridge = RIDGE * (above_squares + below_squares).diagonal().mean() * torch.eye(len(basis), dtype=basis.dtype)
    mixed = torch.linalg.solve(
        above_squares + below_squares + ridge,
        above_squares @ upper.double().T + (below_squares + ridge) @ lower.double().T,
    )
    bounds = head.expression_range.double()
    return mixed.T.clamp(bounds[:, 0], bounds[:, 1]).to(lower)
