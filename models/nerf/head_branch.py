"""Head-NeRF: a canonical head, seen by a camera that carries the inverse head pose.

A ray meets the posed mesh (front_map.meet_surface); samples fill a tight shell round that place.  The deform module
takes them to the canonical head: the mesh's own displacement, plus a learned remainder.  Features come from three
canonical planes, and from one plane in the *observed* head frame that is blended by the expression: what no canonical
point exists for (teeth and mouth interior, which stay with the skull while the lips part; eyelids and irises) lives
there.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from models.nerf.front_map import STEEPEST, FrontMap, meet_surface
from models.nerf.layers import ChannelLinear, mlp
from models.nerf.planes import BlendedPlane, PyramidPlane, lookup, lookup_all

SHELL = (-0.022, 0.045)  # metres before and behind the surface that samples fill; hair and chin need the depth


@dataclass
class HeadSamples:
    """thickness, depth [N, S] and hidden features [C, N * S] of the samples of N rays."""

    thickness: torch.Tensor
    depth: torch.Tensor
    hidden: torch.Tensor


class DeformModule(nn.Module):
    """Learned remainder of the way to the canonical head: a blend of smooth 3-channel maps over the front map's box.

    Starts at zero, where the canonical point is the one the mesh gives.  use_mesh=False leaves the mesh out (ablation).
    """

    def __init__(self, inputs: int, basis: int = 12, resolution: int = 20):
        super().__init__()
        self.weights = mlp(inputs, 32, basis)
        self.maps = BlendedPlane(basis, 3, resolution, resolution, scale=0.0)

    def forward(self, condition: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """condition [F, inputs]; places [F, N, 2] in box units -> displacement [F, N, 3] in metres."""
        return 0.01 * lookup(self.maps(self.weights(condition)), places).transpose(1, 2)


class HeadBranch(nn.Module):
    """Density and features of the head.

    faces, poses: widths of the standardised drivers.  front: the person's front map, kept as buffers.
    """

    centre: torch.Tensor
    extent: torch.Tensor
    surface: torch.Tensor
    occupancy: torch.Tensor
    window: torch.Tensor
    edges: torch.Tensor

    def __init__(
        self,
        front: FrontMap,
        faces: int,
        poses: int,
        hidden: int = 32,
        resolution: int = 192,
        samples: int = 8,
        basis: int = 16,
        deform: bool = True,
        shell: bool = True,
    ):
        super().__init__()
        self.samples, self.hidden_size, self.use_deform, self.use_shell = samples, hidden, deform, shell
        self.register_buffer("centre", front.centre)
        self.register_buffer("extent", front.half)
        self.register_buffer("surface", front.height[None, None].contiguous())
        self.register_buffer("occupancy", torch.ones_like(self.surface))
        # Where the blended plane lies, in box units: centre x, y and half-size x, y.
        self.register_buffer("window", torch.tensor([0.0, 0.0, 1.0, 1.0]))
        self.front_plane = PyramidPlane(16, resolution, resolution)
        self.side_plane = PyramidPlane(8, resolution, resolution // 2)  # over (z, y)
        self.top_plane = PyramidPlane(8, resolution // 2, resolution)  # over (x, z)
        self.expression_plane = BlendedPlane(basis, 8, 72, 72)
        self.expression_weights = mlp(faces, 64, basis)
        self.deform = DeformModule(faces + poses)
        self.first = ChannelLinear(16 + 8 + 8 + 8, hidden, gain=1.4)
        self.density = ChannelLinear(hidden, 1, last=True)
        edges = torch.linspace(0, 1, samples + 1)
        if shell:
            low, high = SHELL
            # Finer before and at the surface than far behind it.
            edges = low + (high - low) * (0.5 * edges + 0.5 * edges**2)
        else:
            edges = float(front.half[2]) * (2 * edges - 1)
        self.register_buffer("edges", edges, persistent=False)

    def planes(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The composed canonical planes; once a step, or once a rendering."""
        return self.front_plane(), self.side_plane(), self.top_plane()

    def meet(
        self, origin: torch.Tensor, directions: torch.Tensor, displacement: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """``meet_surface`` with this head's map; no gradient."""
        with torch.no_grad():
            maps = displacement if self.use_deform else torch.zeros_like(displacement)
            return meet_surface(origin, directions, self.surface, maps, self.centre, self.extent)

    def _middle(self, origin: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """Depth [F, N] at which rays pass the plane that halves the head's box from front to back."""
        return (self.centre[2] - origin[..., 2]) / directions[..., 2].clamp(max=STEEPEST)

    def occupied(self, origin: torch.Tensor, directions: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
        """bool [F, N]: rays that can meet the head at all (inside the box, at a place training saw head)."""
        _, _, places = self.meet(origin, directions, displacement)
        inside = (places.abs() <= 1).all(-1)
        seen = lookup(self.occupancy.expand(len(places), -1, -1, -1), places.clamp(-1, 1))[:, 0]
        return inside & (seen > 0.01)

    def forward(
        self,
        origin: torch.Tensor,
        directions: torch.Tensor,
        displacement: torch.Tensor,
        face: torch.Tensor,
        pose: torch.Tensor,
        planes: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        jitter: torch.Tensor | None = None,
    ) -> HeadSamples:
        """Samples of F frames' rays.

        origin [F, 1, 3], directions [F, N, 3] in the head frame; displacement [F, 3, M, M]; face, pose: standardised
        drivers [F, .]; jitter [F * N, S] in 0..1 places the samples within their intervals (None: the middle).
        """
        frames, rays = directions.shape[:2]
        surface, moved, places = self.meet(origin, directions, displacement)
        if self.use_deform:
            moved = moved + self.deform(torch.cat([face, pose], dim=1), places)
        lengths = self.edges[1:] - self.edges[:-1]
        inner = 0.5 if jitter is None else jitter
        offsets = self.edges[:-1] + lengths * inner
        # Without the shell the samples lie round the middle of the head's box, wherever the mesh is.
        middle = surface if self.use_shell else self._middle(origin, directions)
        depth = middle.reshape(-1, 1) + offsets  # [F*N, S]
        depth = depth.view(frames, rays, self.samples)
        observed = origin[:, :, None] + depth[..., None] * directions[:, :, None]
        canonical = ((observed - moved[:, :, None] - self.centre) / self.extent).view(1, -1, 3)
        blended = self.expression_plane(self.expression_weights(face))
        seen = (observed[..., :2] - self.centre[:2]) / self.extent[:2]
        seen = (seen - self.window[:2]) / self.window[2:]
        # Outside its window the blended plane says nothing, and fades towards that over the outer tenth.
        fade = ((1 - seen.detach().abs()) * 10).clamp(0, 1).amin(-1).reshape(frames, -1)
        features = lookup_all(
            [*planes, blended],
            [canonical[..., :2], canonical[..., 1:].flip(-1), canonical[..., ::2], seen.reshape(frames, -1, 2)],
            [None, None, None, fade],
        )
        hidden = F.relu(self.first(features))
        # A shell of ordinary skin is about opaque over a few intervals at the start.
        density = F.softplus(10 * self.density(hidden)[0] - 1.0).view(-1, self.samples)
        inside = (seen_box(observed, self.centre, self.extent)).view(-1, self.samples)
        thickness = density * inside * (lengths / lengths.mean())
        return HeadSamples(thickness, depth.view(-1, self.samples), hidden)


def seen_box(points: torch.Tensor, centre: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
    """1.0 where points [..., 3] lie over the box's front [...], else 0.0."""
    return (((points - centre) / half)[..., :2].abs() <= 1).all(-1).to(points.dtype)
