"""The torso's motion in the picture: what it is, and how it is foretold where nobody filmed it.

FLAME ends at the neck: nothing in it says where the shoulders are.  The camera stands still and the torso turns little,
so that its motion is nearly an affine map of the picture plane; what is none (cloth that folds, a collar that goes with
the neck while the jacket stays) is a small smooth displacement on top.

A *motion* [2, COEFFICIENTS] holds both for x (first row) and y.  Places are in -1..1 over the picture, y downwards.

* The first three columns A stand for T(y) = y + A (y, 1)^T, from a place of the steadied picture to its place in the
  frame.
* The others are a plane W of NODES x NODES displacements, row by row, bilinear between nodes: what is seen at y of the
  steadied picture belongs to the canonical place x = y + W(y).

The canonical picture is the torso's mean over the training frames.
"""

import math

import torch

from models.nerf.planes import lookup

NODES = 24  # a side: one node per 11 pixels of a picture of 256
COEFFICIENTS = 3 + NODES**2
RIDGE = 0.01  # of the forecast, as a share of the standardised pose's variance


def still(frames: int) -> torch.Tensor:
    """The motion [frames, 2, COEFFICIENTS] of a torso at its canonical place."""
    return torch.zeros(frames, 2, COEFFICIENTS)


def canonical(motion: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Places [F, N, 2] of frames with the motions [F, 2, COEFFICIENTS] -> canonical places [F, N, 2]."""
    return warped(motion[..., 3:], moved(inverse(motion[..., :3]), places))


def in_frame(motion: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The way back: canonical places [F, N, 2] -> places in the frame, for displacements that are small and smooth."""
    plane = motion[..., 3:]
    steadied = places
    for _ in range(2):  # y = x - W(y), a fixed point
        steadied = places - (warped(plane, steadied) - steadied)
    return moved(motion[..., :3], steadied)


def followed_by(motion: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
    """The motion [N, 2, COEFFICIENTS] after which the picture is moved by ``affine`` [N, 2, 3], too."""
    return torch.cat([offsets(matrices(affine) @ matrices(motion[..., :3])), motion[..., 3:]], dim=-1)


def inverse(affine: torch.Tensor) -> torch.Tensor:
    """The affine part [N, 2, 3] of T^-1."""
    return offsets(torch.linalg.inv(matrices(affine)))


def moved(affine: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """T(places): affine [F, 2, 3], places [F, N, 2]."""
    homogeneous = torch.cat([places, torch.ones_like(places[..., :1])], dim=-1)
    return places + torch.bmm(homogeneous, affine.transpose(1, 2))


def warped(plane: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """places + W(places): plane [F, 2, K ** 2] of K x K nodes (NODES of a motion), places [F, N, 2]."""
    nodes = math.isqrt(plane.shape[-1])
    return places + lookup(plane.reshape(-1, 2, nodes, nodes), places).transpose(1, 2)


def fit_forecast(pose: torch.Tensor, motion: torch.Tensor) -> torch.Tensor:
    """Ridge regression of the torso's motion from the head's pose, for motion that was never filmed.

    pose [N, P] standardised; motion [N, 2, COEFFICIENTS], rows of NaN are left out.  Returns [2 * COEFFICIENTS, P + 1],
    the last column constant; zeros (the torso stays at its canonical place) where nothing was measured.
    """
    seen = torch.isfinite(motion[:, 0, 0])
    inputs = torch.cat([pose[seen], torch.ones(int(seen.sum()), 1)], dim=1).double()
    damping = RIDGE * max(int(seen.sum()), 1) * torch.eye(inputs.shape[1], dtype=torch.float64)
    damping[-1, -1] = 1e-6
    targets = motion[seen].flatten(1).double()
    return torch.linalg.solve(inputs.T @ inputs + damping, inputs.T @ targets).T.float()


def foretell(forecast: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
    """The motion [N, 2, COEFFICIENTS] that ``fit_forecast``'s result gives for standardised poses [N, P]."""
    return (pose @ forecast[:, :-1].T + forecast[:, -1]).view(len(pose), 2, -1)


def matrices(affine: torch.Tensor) -> torch.Tensor:
    """The affine part [N, 2, 3] as homogeneous matrices [N, 3, 3]."""
    last = affine.new_zeros(len(affine), 1, 3)
    return torch.cat([affine, last], dim=1) + torch.eye(3, dtype=affine.dtype, device=affine.device)


def offsets(matrices: torch.Tensor) -> torch.Tensor:
    """The affine part [N, 2, 3] of homogeneous matrices [N, 3, 3]."""
    return (matrices - torch.eye(3, dtype=matrices.dtype, device=matrices.device))[:, :2]
