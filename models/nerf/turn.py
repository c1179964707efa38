"""A camera that is turned about the head by a few degrees, told as another pose before the camera that stands still.

Turning the camera about a point and turning the person about it the other way give the same picture of the person, so
nothing in the network has to know of it.  The head is a field in space and is simply posed anew.  Torso and neck of the
Static-NeRF are features over the picture plane: they are taken to lie in one plane at the torso's depth, whose image
under the turn is a homography, and follow its affine part at the neck, where head and torso meet.  The backdrop stays
where it is: nobody has filmed what would come into view behind it.
"""

import math

import torch

from models.nerf.driving import Driving
from models.nerf.network import DualBranchNerf
from models.nerf.torso.motion import followed_by

NECK = 0.14  # metres from the head frame's origin down to where head and torso have to stay together
TORSO = 1  # which of the Static-NeRF's depths is the torso's


def turned(network: DualBranchNerf, driving: Driving, yaw: float, pitch: float) -> Driving:
    """``driving`` as a camera sees it that is turned about the head's usual place.

    yaw, pitch: degrees; positive: the camera stands further to the right of the picture, or higher.  What conditions
    the networks (expression, pose) stays as it was: the person does nothing different.
    """
    if yaw == 0 and pitch == 0:
        return driving
    rotation = _rotation(yaw, pitch)
    pivot = network.pose_mean[-3:].double().cpu()
    own = driving.rotation.double().cpu()
    place = driving.translation.double().cpu()
    torso = network.conditions(driving)[2]
    motion = _torso_motion(network, rotation, pivot).to(torso)
    return Driving(
        (rotation @ own).to(driving.rotation),
        ((place - pivot) @ rotation.T + pivot).to(driving.translation),
        driving.displacement,
        driving.face,
        driving.pose,
        followed_by(torso, motion.expand(len(torso), -1, -1)),
    )


def _rotation(yaw: float, pitch: float) -> torch.Tensor:
    """[3, 3] float64: R_x(pitch) R_y(-yaw), by which the person turns in the camera's frame."""
    y, x = math.radians(-yaw), math.radians(pitch)
    about_y = [[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]]
    about_x = [[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]]
    return torch.tensor(about_x, dtype=torch.float64) @ torch.tensor(about_y, dtype=torch.float64)


def _torso_motion(network: DualBranchNerf, rotation: torch.Tensor, pivot: torch.Tensor) -> torch.Tensor:
    """[1, 2, 3]: what the turn does to the picture of the torso's plane, to first order round the neck."""
    config = network.config
    scale = 2 * config.focal / config.image_size
    depth = float(network.static.depths[TORSO])

    def seen(place: torch.Tensor) -> torch.Tensor:
        """Where a point of the plane, seen at ``place`` (-1..1, y down) before the turn, is seen after it."""
        point = torch.stack([place[0] * depth / scale, -place[1] * depth / scale, -torch.full_like(place[0], depth)])
        x, y, z = rotation @ (point - pivot) + pivot
        return torch.stack([scale * x / -z, -scale * y / -z])

    neck = torch.stack([pivot[0], NECK - pivot[1]]) * scale / depth
    slope = torch.autograd.functional.jacobian(seen, neck)
    offset = seen(neck) - slope @ neck
    return torch.cat([slope - torch.eye(2, dtype=slope.dtype), offset[:, None]], dim=1)[None]
