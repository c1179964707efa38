"""Whole pictures from a trained network."""

import torch
import torch.nn.functional as F

from models.nerf.driving import Driving
from models.nerf.network import DualBranchNerf, Planes
from models.nerf.rays import pixel_centres

CELLS = 64  # cells a side in which head rays are told from others
CHUNK = 8192  # rays evaluated at once: what fits the processor's cache beats what fits its memory
CHUNK_ON_GPU = 1 << 17  # there a call costs what it costs to launch: as few as memory allows (some 0.6 GB)


@torch.no_grad()
def head_cells(network: DualBranchNerf, driving: Driving, cells: int = CELLS) -> torch.Tensor:
    """bool [F, cells, cells]: cells of the picture in which a ray may meet the head, one cell of margin included."""
    pixels = pixel_centres(cells, network.config.image_size, driving.rotation.device)
    occupied = network.occupied(pixels.expand(len(driving), -1, -1), driving).view(-1, 1, cells, cells)
    return F.max_pool2d(occupied.float(), 3, stride=1, padding=1)[:, 0] > 0


@torch.no_grad()
def render_rays(
    network: DualBranchNerf, driving: Driving, pixels: torch.Tensor, inside: torch.Tensor, planes: Planes
) -> torch.Tensor:
    """Colour and opacity of both branches together [N, 4] of pixels [N, 2] of one frame (driving of length 1).

    inside bool [N]: rays with head samples.
    """
    values = torch.empty(len(pixels), 4, device=pixels.device)
    conditions = network.conditions(driving)
    none = pixels[None, :0]
    chunk = CHUNK_ON_GPU if pixels.is_cuda else CHUNK
    for mask, with_head in ((inside, True), (~inside, False)):
        rows = torch.nonzero(mask)[:, 0]
        for part in rows.split(chunk if with_head else 4 * chunk):
            chosen = pixels[None, part]
            first, second = (chosen, none) if with_head else (none, chosen)
            rendered = network(first, second, driving, planes, None, conditions)
            values[part] = torch.cat([rendered.colour, rendered.opacity[:, None]], dim=1)
    return values


@torch.no_grad()
def render_picture(network: DualBranchNerf, driving: Driving, size: int, planes: Planes) -> torch.Tensor:
    """One frame (driving of length 1) as [size, size, 3] in 0..1."""
    return render_with_opacity(network, driving, size, planes)[..., :3]


@torch.no_grad()
def render_with_opacity(network: DualBranchNerf, driving: Driving, size: int, planes: Planes) -> torch.Tensor:
    """As ``render_picture``, with the person's opacity as fourth channel: [size, size, 4] in 0..1."""
    pixels = pixel_centres(size, network.config.image_size, driving.rotation.device)
    cells = head_cells(network, driving).float()[:, None]
    inside = F.interpolate(cells, size=(size, size), mode="nearest")[0, 0].reshape(-1) > 0
    return render_rays(network, driving, pixels, inside, planes).view(size, size, 4)
