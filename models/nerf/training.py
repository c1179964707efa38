"""Training by volume rendering: random rays, photometric and opacity losses, perceptual patches at the end."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F

from models.nerf.driving import Driving
from models.nerf.network import DualBranchNerf
from models.nerf.prefetch import DrawnAhead
from models.nerf.sampling import RayBatch, RaySampler

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass
class Schedule:
    """steps: length of the training.  frames: frames a step.  plane_rate, network_rate: Adam's learning rates at the
    start; both fall to a fiftieth along a cosine.  mask_weight: weight of the opacity losses.  noise: standard
    deviation of the noise on the standardised drivers, which keeps the network from tying a picture to one exact
    parameter.  perceptual_from: share of the training after which patches of ``patch`` pixels enter with
    ``perceptual_weight``, ``patches`` of them every ``patch_every`` steps."""

    steps: int
    frames: int = 16
    plane_rate: float = 1e-2
    network_rate: float = 3e-3
    mask_weight: float = 0.01
    noise: float = 0.05
    perceptual_from: float = 0.75
    perceptual_weight: float = 0.01
    patches: int = 3
    patch: int = 48
    patch_every: int = 2
    warm: int = 20


@dataclass
class StepResult:
    """loss: what was minimised; error: mean squared error of the random rays."""

    loss: float
    error: float


@dataclass
class Labels:
    """Label values of the head (as the head branch should cover it), of neck, and of everything that is no person."""

    head: tuple[int, ...]
    neck: tuple[int, ...]
    background: tuple[int, ...] = (0,)
    tables: dict[str, torch.Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.tables = {}
        for name in ("head", "neck", "background"):
            table = torch.zeros(256, dtype=torch.bool)
            table[list(getattr(self, name))] = True
            self.tables[name] = table


class Trainer:
    """Network, optimiser and data of one training.

    driving: conditions of every frame, by row.  centres: float [N, P, 2], where perceptual patches are drawn (numpy).
    distance: perceptual distance of two batches of pictures [B, 3, H, W] in 0..1 -> [B]; None leaves it out.
    """

    def __init__(
        self,
        network: DualBranchNerf,
        driving: Driving,
        sampler: RaySampler,
        labels: Labels,
        schedule: Schedule,
        centres: Any = None,
        distance: Distance | None = None,
        device: torch.device | None = None,
    ):
        self.network, self.driving, self.sampler = network, driving, sampler
        self.labels, self.schedule, self.centres, self.distance = labels, schedule, centres, distance
        self.device = device or torch.device("cpu")
        # Beside a GPU the processor is free to draw; alone, it has enough to do.
        self.ahead = DrawnAhead(sampler) if self.device.type == "cuda" else None
        planes: list[torch.nn.Parameter] = []
        others: list[torch.nn.Parameter] = []
        for name, parameter in network.named_parameters():
            is_plane = name.endswith("basis") or ".levels." in name
            (planes if is_plane and "maps" not in name else others).append(parameter)
        self.optimiser = torch.optim.Adam(
            [{"params": planes, "rate": schedule.plane_rate}, {"params": others, "rate": schedule.network_rate}],
            lr=schedule.plane_rate,
            betas=(0.9, 0.99),
            eps=1e-9,
            fused=True,
        )

    def step(self, index: int, share: float | None = None) -> StepResult:
        """Do step ``index`` (0-based).  Equal index, seed, share and state give an equal result.

        share: how much of the training is over, 0..1; None: index / steps.
        """
        schedule = self.schedule
        share = index / max(schedule.steps, 1) if share is None else share
        factor = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
        factor *= min(1.0, (index + 1) / schedule.warm)
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * factor
        generator = torch.Generator().manual_seed(self.sampler.seed * 1_000_003 + index)
        planes = self.network.planes()
        batch = (self.ahead or self.sampler).draw(index, schedule.frames)
        colour, loss = self._photometric(batch, planes, generator)
        error = float(loss.detach())
        loss = loss + schedule.mask_weight * self._opacity(batch, colour)
        if self.distance is not None and share >= schedule.perceptual_from and index % schedule.patch_every == 0:
            loss = loss + schedule.perceptual_weight * self._perceptual(index, planes, generator)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return StepResult(float(loss.detach()), error)

    def close(self) -> None:
        """Nothing reads the sampler's pictures any more."""
        if self.ahead:
            self.ahead.close()

    def state(self) -> dict[str, torch.Tensor]:
        """Tensors by name with which ``restore`` continues exactly here."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"adam.{key}.{name}"] = value
        return tensors

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Continue from ``state()``.  Raises RuntimeError or KeyError where the network is another one."""
        prefix = "network."
        self.network.load_state_dict({n[len(prefix) :]: v for n, v in tensors.items() if n.startswith(prefix)})
        for name, parameter in self.network.named_parameters():
            keys = ("step", "exp_avg", "exp_avg_sq")
            if f"adam.step.{name}" in tensors:
                values = {key: tensors[f"adam.{key}.{name}"].clone().to(parameter.device) for key in keys}
                # The fused step walks memory: its moments must lie as the parameter does.
                assert parameter.is_contiguous()
                self.optimiser.state[parameter] = values

    def _render(self, batch: RayBatch, planes: Any, generator: torch.Generator) -> Any:
        driving = self.driving.pick(batch.rows, self.device)
        face, pose, motion = self.network.conditions(driving)
        noise = self.schedule.noise
        face = face + noise * torch.randn(face.shape, generator=generator).to(self.device)
        pose = pose + noise * torch.randn(pose.shape, generator=generator).to(self.device)
        return self.network(
            batch.head_pixels.to(self.device),
            batch.other_pixels.to(self.device),
            driving,
            planes,
            batch.jitter.to(self.device),
            (face, pose, motion),
        )

    def _photometric(self, batch: RayBatch, planes: Any, generator: torch.Generator) -> tuple[Any, torch.Tensor]:
        rendered = self._render(batch, planes, generator)
        return rendered, F.mse_loss(rendered.colour, batch.colours.to(self.device))

    def _opacity(self, batch: RayBatch, rendered: Any) -> torch.Tensor:
        """The person is opaque and the backdrop is the plate's; the head branch covers the head and not the torso.

        The neck is left to the fusion: either branch may explain it.
        """
        labels = batch.labels.to(self.device).long()
        table = {name: values.to(self.device)[labels] for name, values in self.labels.tables.items()}
        person = (~table["background"]).float()
        whole = F.mse_loss(rendered.opacity, person)
        # Weights, not a choice of rows: how many there are would have to be known on the processor first.
        judged = (~table["neck"]).float()
        head = ((rendered.head_opacity - table["head"].float()) ** 2 * judged).sum() / judged.sum().clamp(min=1)
        return whole + head

    def _perceptual(self, index: int, planes: Any, generator: torch.Generator) -> torch.Tensor:
        assert self.distance is not None
        count, side = self.schedule.patches, self.schedule.patch
        batch = self.sampler.patches(index, count, side, self.centres)
        rendered = self._render(batch, planes, generator).colour
        pictures = [p.view(count, side, side, 3).permute(0, 3, 1, 2) for p in (rendered, batch.colours.to(self.device))]
        return self.distance(pictures[0], pictures[1]).mean()
