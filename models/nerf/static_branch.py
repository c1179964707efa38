"""Static-NeRF: torso and backdrop, in the camera frame.

The camera stands still and the torso hardly moves, so space factorises: features over the picture plane, read once a
ray, and a few depths behind one another, told apart by a layer of their own.  The torso's motion is measured or
foretold (torso/motion.py); on top the network learns an affine map of the picture plane, *linear* in the head's pose,
plus a small smooth warp.  Linear on purpose: shoulders follow the head only roughly, and what a network learns beyond
that from one clip does not hold for the rest of it (measured).
"""

import torch
import torch.nn.functional as F
from torch import nn

from models.nerf.layers import ChannelLinear, mlp
from models.nerf.planes import BlendedPlane, PyramidPlane, lookup
from models.nerf.torso.motion import canonical

OFFSETS = (-0.015, 0.05, 0.12)  # metres behind the head's usual front: collar, neck and shoulders, what is behind


class StaticBranch(nn.Module):
    """Density and features at len(OFFSETS) depths of every ray.

    poses: width of the standardised pose driver.  depth: the head's usual depth in metres (camera frame).
    """

    depths: torch.Tensor

    def __init__(self, poses: int, depth: float, hidden: int = 32, resolution: int = 256, basis: int = 8):
        super().__init__()
        self.hidden_size = hidden
        self.register_buffer("depths", depth + torch.tensor(OFFSETS))
        self.plane = PyramidPlane(16, resolution, resolution)
        self.sway = nn.Linear(poses, 6, bias=False)
        nn.init.zeros_(self.sway.weight)
        self.warp_weights = mlp(poses, 32, basis)
        self.warp_maps = BlendedPlane(basis, 2, 12, 12, scale=0.0)
        self.first = ChannelLinear(16, hidden * len(OFFSETS), gain=1.4)
        self.density = ChannelLinear(hidden, 1, last=True)

    def forward(
        self, places: torch.Tensor, pose: torch.Tensor, motion: torch.Tensor, plane: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """places [F, N, 2] in -1..1 over the picture; pose [F, poses]; motion [F, 2, COEFFICIENTS]: of
        the torso (torso/motion.py); plane: the composed plane.

        Returns thickness [F*N, K], depth [F*N, K] and hidden features [C, F*N, K].
        """
        places = canonical(motion, places)
        warp = 0.01 * lookup(self.warp_maps(self.warp_weights(pose)), places).transpose(1, 2)
        sway = 0.1 * self.sway(pose).view(-1, 3, 2)
        # Columns x, y, 1; scale and shear move the far corners of the picture, not its middle.
        warp = warp + torch.bmm(torch.cat([places, torch.ones_like(places[..., :1])], dim=-1), sway)
        features = lookup(plane, (places + warp).reshape(1, -1, 2))[0]
        rays = features.shape[1]
        # [K*C, rays] -> [C, rays, K]
        hidden = F.relu(self.first(features)).view(len(OFFSETS), self.hidden_size, rays).permute(1, 2, 0)
        density = self.density(hidden.reshape(self.hidden_size, -1))[0].view(rays, len(OFFSETS))
        return F.softplus(10 * density - 2.0), self.depths.expand(rays, -1), hidden
