"""A drawn person at the sizes of a profile, and parts of a picture and of a training step, one by one."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from models.nerf.compositing import composite
from models.nerf.driving import Driving, driving_of, person_front_map
from models.nerf.kernels import SWITCH
from models.nerf.layers import run_mixed
from models.nerf.network import DualBranchNerf, NerfConfig
from models.nerf.planes import lookup, lookup_all
from models.nerf.rays import pixel_centres
from models.nerf.rendering import head_cells, render_picture
from models.nerf.sampling import RayBatch
from models.nerf.static_branch import OFFSETS
from models.nerf.training import Labels, Schedule, Trainer
from tasks.nerf import NerfParams
from tasks.portrait import flame_arrays
from tests.nerf_scene import ellipsoid_head, make_scene


@contextmanager
def choosing(kernels: str) -> Iterator[None]:
    """ERLNET_KERNELS is ``kernels`` meanwhile."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = kernels
    try:
        yield
    finally:
        os.environ.pop(SWITCH)
        if before is not None:
            os.environ[SWITCH] = before


def milliseconds(work: Callable[[], Any], device: torch.device, rounds: int) -> float:
    """Median of ``rounds`` runs after three that warm up (compilation, allocation)."""
    for _ in range(3):
        work()
    times = []
    for _ in range(rounds):
        if device.type == "cuda":
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            work()
            end.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(end))
        else:
            started = time.perf_counter()
            work()
            times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


class Person:
    """A network with random planes for the drawn ellipsoid head.  size: pixels of a side of the picture."""

    def __init__(self, params: NerfParams, size: int, device: torch.device, mixed: bool):
        torch.manual_seed(0)
        self.params, self.size, self.device = params, size, device
        sequence = make_scene(frames=params.frames, size=32).sequence
        head = ellipsoid_head()
        arrays = flame_arrays(sequence, sequence.shape)
        front = person_front_map(head, arrays.shape, 96)
        self.driving: Driving = driving_of(head, arrays, front)
        self.config = NerfConfig(
            size,
            sequence.focal * size / sequence.image_size,
            self.driving.face.shape[1],
            self.driving.pose.shape[1],
            0.72,
            head_resolution=params.head_resolution,
            static_resolution=params.static_resolution,
            samples=params.samples,
            basis=params.basis,
        )
        self.network = DualBranchNerf(self.config, front, torch.rand(3, size, size))
        for name, parameter in self.network.named_parameters():
            if "levels" in name or name.endswith("basis"):
                torch.nn.init.normal_(parameter, std=0.1)
        self.network.to(device)
        run_mixed(self.network, mixed)
        self.one = self.driving.pick(torch.tensor([0]), device)

    def head_share(self) -> float:
        """Share of the picture's rays that pass the head's shell."""
        return float(head_cells(self.network, self.one).float().mean())

    @torch.no_grad()
    def picture_parts(self) -> dict[str, Callable[[], Any]]:
        """The parts of one picture, each on the tensors that the part before it gave."""
        network, head = self.network, self.network.head
        pixels = pixel_centres(self.size, device=self.device)
        count = round(self.head_share() * len(pixels))
        pixels = pixels[torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0)).to(self.device)]
        pixels = pixels[None, :count].contiguous()
        planes = network.planes()
        face, _, _ = network.conditions(self.one)
        origin, directions = network.head_rays(pixels, self.one)
        surface, moved, _ = head.meet(origin, directions, self.one.displacement)
        offsets = (head.edges[1:] + head.edges[:-1]) / 2
        depth = surface[..., None] + offsets
        observed = origin[:, :, None] + depth[..., None] * directions[:, :, None]
        canonical = ((observed - moved[:, :, None] - head.centre) / head.extent).view(1, -1, 3)
        seen = ((observed[..., :2] - head.centre[:2]) / head.extent[:2]).reshape(1, -1, 2)
        blended = head.expression_plane(head.expression_weights(face))
        places = [canonical[..., :2], canonical[..., 1:].flip(-1), canonical[..., ::2], seen]
        fade = [None, None, None, torch.ones_like(seen[..., 0])]
        static_places = pixel_centres(self.size, device=self.device)[None] * (2.0 / self.size) - 1
        features = lookup_all([*planes.head, blended], places, fade)
        static_features = lookup(planes.static, static_places)[0]
        hidden = torch.relu(head.first(features))
        rays = len(static_features[0])
        static_hidden = torch.relu(network.static.first(static_features)).view(len(OFFSETS), -1, rays).permute(1, 2, 0)
        thickness, behind = (
            torch.rand(count, self.config.samples, device=self.device),
            torch.rand(rays, 3).to(self.device),
        )
        behind_depth = network.static.depths.expand(rays, -1)
        feature, opacity = torch.rand(self.config.hidden, rays).to(self.device), torch.rand(rays).to(self.device)
        pose, rows = network.conditions(self.one)[1], torch.zeros(rays, dtype=torch.long, device=self.device)

        def perceptrons() -> None:
            head.density(torch.relu(head.first(features)))
            again = torch.relu(network.static.first(static_features)).view(len(OFFSETS), -1, rays).permute(1, 2, 0)
            network.static.density(again.reshape(self.config.hidden, -1))
            network.colour(feature, opacity, pose, rows)

        def lookups() -> None:
            lookup_all([*planes.head, blended], places, fade)
            lookup(planes.static, static_places)
            lookup(planes.plate, static_places)

        def compositing() -> None:
            near, far = slice(0, count), slice(count, None)
            composite(
                thickness, depth.view(count, -1), hidden, behind[near], behind_depth[near], static_hidden[:, near]
            )
            if count < rays:
                (static_hidden[:, far] * behind[far]).sum(-1)

        parts = {
            "sampling": lambda: head.meet(origin, directions, self.one.displacement),
            "lookup": lookups,
            "perceptrons": perceptrons,
            "compositing": compositing,
            "whole picture": lambda: render_picture(network, self.one, self.size, planes),
        }
        return {name: torch.no_grad()(work) for name, work in parts.items()}

    def trainer(self) -> Trainer:
        """Training steps on rays of random colours: the same work, nothing to read from a clip."""
        schedule = Schedule(10_000, frames=self.params.frames, perceptual_weight=0.0)
        labels = Labels((2,), (3,))
        return Trainer(
            self.network, self.driving, RandomRays(self.params, self.size), labels, schedule, None, None, self.device
        )  # type: ignore[arg-type]

    def compared(self) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Outputs and gradients of one training step's rays; the same whenever it is called."""
        batch = RandomRays(self.params, self.size).draw(0, self.params.frames)
        self.network.zero_grad(set_to_none=True)
        driving = self.driving.pick(batch.rows, self.device)
        pixels = batch.head_pixels.to(self.device), batch.other_pixels.to(self.device)
        rendered = self.network(*pixels, driving, self.network.planes(), batch.jitter.to(self.device))
        loss = rendered.colour.square().mean() + rendered.opacity.mean() + rendered.head_opacity.mean()
        loss.backward()
        gradients = {name: p.grad.clone() for name, p in self.network.named_parameters() if p.grad is not None}
        return {name: value.detach() for name, value in vars(rendered).items()}, gradients


class RandomRays:
    """Stands in for the RaySampler."""

    seed = 0

    def __init__(self, params: NerfParams, size: int):
        self.params, self.size = params, size

    def draw(self, step: int, frames: int) -> RayBatch:
        random = torch.Generator().manual_seed(step)
        head, other = self.params.head_rays, self.params.other_rays

        def some(*shape: int) -> torch.Tensor:
            return torch.rand(*shape, generator=random)

        rays = frames * (head + other)
        return RayBatch(
            torch.arange(frames),
            self.size * (0.25 + 0.5 * some(frames, head, 2)),
            self.size * some(frames, other, 2),
            some(rays, 3),
            torch.from_numpy(np.ones(rays, np.uint8)),
            some(frames * head, self.params.samples),
        )
