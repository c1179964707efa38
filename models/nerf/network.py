"""DBF-NeRF: both branches along one ray, their features fused before the colour network.

For every ray the two branches give densities, depths and features in one feature space.  Densities add
(compositing.fused_weights), features of both are composited with the shared transmittance, and the colour network
runs once a ray on the fused feature (deferred shading): neck skin that both branches explain gets one colour, not two
pasted over each other.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from models.nerf.compositing import branch_weights, composite
from models.nerf.driving import Driving, standardise
from models.nerf.front_map import FrontMap
from models.nerf.head_branch import HeadBranch, HeadSamples
from models.nerf.layers import ChannelLinear
from models.nerf.planes import PyramidPlane, as_looked_up, lookup
from models.nerf.rays import camera_rays, to_head_frame
from models.nerf.static_branch import StaticBranch
from models.nerf.torso.motion import COEFFICIENTS, foretell


@dataclass
class NerfConfig:
    """All that is needed to rebuild the network before its weights are loaded."""

    image_size: int
    focal: float  # pixels at image_size
    faces: int  # width of the face driver
    poses: int  # width of the pose driver
    depth: float  # usual depth of the head's front, metres
    map_resolution: int = 96
    head_resolution: int = 192
    static_resolution: int = 256
    samples: int = 8
    basis: int = 16
    hidden: int = 32
    fusion: bool = True  # False: each branch is coloured alone and the pictures are pasted (ablation)
    deform: bool = True  # False: no deform module, no mesh displacement (ablation)
    shell: bool = True  # False: samples fill the head's whole box instead of a shell round the mesh (ablation)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Rendered:
    """colour [N, 3] in 0..1; opacity [N] of both branches together; head_opacity [N] of the head branch."""

    colour: torch.Tensor
    opacity: torch.Tensor
    head_opacity: torch.Tensor


@dataclass
class Planes:
    """The composed planes: once a training step, or once a rendering."""

    head: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    static: torch.Tensor
    plate: torch.Tensor


class DualBranchNerf(nn.Module):
    """The two branches, their fusion and the background plate.

    plate [3, H, W] in 0..1: what is seen where both branches are empty; a learned correction is added to it.
    """

    plate: torch.Tensor
    face_mean: torch.Tensor
    face_scale: torch.Tensor
    pose_mean: torch.Tensor
    pose_scale: torch.Tensor
    torso_forecast: torch.Tensor

    def __init__(self, config: NerfConfig, front: FrontMap, plate: torch.Tensor):
        super().__init__()
        self.config = config
        self.head = HeadBranch(
            front,
            config.faces,
            config.poses,
            config.hidden,
            config.head_resolution,
            config.samples,
            config.basis,
            config.deform,
            config.shell,
        )
        self.static = StaticBranch(config.poses, config.depth, config.hidden, config.static_resolution)
        self.register_buffer("plate", plate[None].clone(memory_format=torch.contiguous_format))
        # Coarser than the plate: a backdrop that moves would leave noise in every texel of a fine correction.
        self.plate_correction = PyramidPlane(3, 64, 64, levels=2, scale=0.0)
        for name, width in (("face", config.faces), ("pose", config.poses)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))
        self.register_buffer("torso_forecast", torch.zeros(2 * COEFFICIENTS, config.poses + 1))
        self.shade_pose = nn.Linear(config.poses, 64, bias=False)
        nn.init.zeros_(self.shade_pose.weight)
        self.shade = nn.ModuleList(
            [ChannelLinear(config.hidden + 1, 64, 1.4), ChannelLinear(64, 64, 1.4), ChannelLinear(64, 3, last=True)]
        )

    def planes(self) -> Planes:
        correction = F.interpolate(self.plate_correction(), self.plate.shape[-2:], mode="bilinear", align_corners=False)
        return Planes(self.head.planes(), self.static.plane(), as_looked_up(self.plate + correction))

    def conditions(self, driving: Driving) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Standardised face [F, faces] and pose [F, poses] drivers, and the torso's motion [F, 2,
        COEFFICIENTS]: as it was measured, and where it was not, as the pose foretells it."""
        face = standardise(driving.face, self.face_mean, self.face_scale)
        pose = standardise(driving.pose, self.pose_mean, self.pose_scale)
        foretold = foretell(self.torso_forecast, pose)
        return face, pose, torch.where(torch.isfinite(driving.torso), driving.torso, foretold)

    def head_rays(self, pixels: torch.Tensor, driving: Driving) -> tuple[torch.Tensor, torch.Tensor]:
        """Rays of pixels [F, N, 2] (at image_size) in the head frames of ``driving``."""
        directions = camera_rays(pixels, self.config.focal, self.config.image_size)
        return to_head_frame(directions, driving.rotation, driving.translation)

    def occupied(self, pixels: torch.Tensor, driving: Driving) -> torch.Tensor:
        """bool [F, N]: rays that can meet the head; the others need no head samples."""
        return self.head.occupied(*self.head_rays(pixels, driving), driving.displacement)

    def forward(
        self,
        head_pixels: torch.Tensor,
        other_pixels: torch.Tensor,
        driving: Driving,
        planes: Planes,
        jitter: torch.Tensor | None = None,
        conditions: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None,
    ) -> Rendered:
        """Render rays of F frames.

        head_pixels [F, N, 2]: rays that get head samples; other_pixels [F, M, 2]: rays that cannot meet the head.
        driving: float32 conditions of the F frames.  Results list the head rays of all frames, then the others.
        """
        face, pose, motion = conditions or self.conditions(driving)
        size = self.config.image_size
        head_count, other_count = head_pixels.shape[1], other_pixels.shape[1]
        frames = len(face)
        places = torch.cat([head_pixels, other_pixels], dim=1) * (2.0 / size) - 1.0
        static_thickness, static_depth, static_hidden = self.static(places, pose, motion, planes.static)

        # Frame-major to (head rays of all frames, other rays of all frames).
        order = torch.arange(frames * (head_count + other_count), device=places.device).view(frames, -1)
        head_rows, other_rows = order[:, :head_count].reshape(-1), order[:, head_count:].reshape(-1)
        rows = torch.cat([head_rows, other_rows])
        colours = []
        opacities, head_opacities = [], []
        if head_count:
            origin, directions = self.head_rays(head_pixels, driving)
            samples = self.head(origin, directions, driving.displacement, face, pose, planes.head, jitter)
            feature, left, head_opacity = composite(
                samples.thickness,
                samples.depth,
                samples.hidden,
                static_thickness[head_rows],
                static_depth[head_rows],
                static_hidden[:, head_rows],
            )
            opacities.append(1 - left)
            head_opacities.append(head_opacity)
            pose_rows = torch.arange(frames, device=places.device).repeat_interleave(head_count)
            if self.config.fusion:
                colours.append(self.colour(feature, 1 - left, pose, pose_rows))
            else:
                colours.append(
                    self._pasted(samples, static_thickness[head_rows], static_hidden[:, head_rows], pose, pose_rows)
                )
        if other_count:
            weights = branch_weights(static_thickness[other_rows])
            opacity = weights.sum(-1)
            feature = (static_hidden[:, other_rows] * weights).sum(-1)
            pose_rows = torch.arange(frames, device=places.device).repeat_interleave(other_count)
            colours.append(self.colour(feature, opacity, pose, pose_rows))
            opacities.append(opacity)
            head_opacities.append(torch.zeros_like(opacity))
        opacity = torch.cat(opacities)
        colour = torch.cat(colours, dim=1)
        behind = lookup(planes.plate, places.reshape(1, -1, 2)[:, rows])[0]
        return Rendered((opacity * colour + (1 - opacity) * behind).T, opacity, torch.cat(head_opacities))

    def colour(
        self, feature: torch.Tensor, opacity: torch.Tensor, pose: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """Fused features [C, N] -> colours [3, N] in 0..1; rows [N] names each ray's frame in ``pose``."""
        x = self.shade[0](torch.cat([feature, opacity[None]])) + self.shade_pose(pose).T[:, rows]
        x = F.relu(self.shade[1](F.relu(x)))
        return torch.sigmoid(self.shade[2](x))

    def _pasted(
        self,
        samples: HeadSamples,
        static_thickness: torch.Tensor,
        static_hidden: torch.Tensor,
        pose: torch.Tensor,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        """Each branch rendered and coloured alone, the head pasted over the torso (the ablation without fusion)."""
        head_weights, static_weights = branch_weights(samples.thickness), branch_weights(static_thickness)
        head_opacity, static_opacity = head_weights.sum(-1), static_weights.sum(-1)
        head_feature = (samples.hidden.view(-1, *head_weights.shape) * head_weights).sum(-1)
        head = self.colour(head_feature, head_opacity, pose, rows)
        static = self.colour((static_hidden * static_weights).sum(-1), static_opacity, pose, rows)
        behind = (1 - head_opacity) * static_opacity
        return (head_opacity * head + behind * static) / (head_opacity + behind).clamp(min=1e-4)
