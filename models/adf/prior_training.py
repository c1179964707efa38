"""Training of the prior over the runs of a corpus, by one process or by several (torchrun), to the same weights.

Every process draws the same windows and takes its share of them; gradients are averaged.  So the number of processes
changes who computes what and not, up to rounding, the result.
"""

from collections.abc import Callable

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from models.adf.data import Run
from models.adf.prior import MouthPrior

WINDOW = 100  # frames
NOISE = 0.3  # standard deviation of the noise on what is heard, which is of unit variance
RATE = 2e-3


def train_prior(
    prior: MouthPrior,
    runs: list[Run],
    metric: Tensor,
    steps: int,
    batch: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> list[float]:
    """Fit ``prior`` to runs of one voice each; leaves it in eval mode; returns the loss of every step.

    metric [E + 9, E + 9]: what a change of the expression branch costs.  Raises ValueError where no run has WINDOW
    frames, or ``batch`` cannot be divided among the processes.
    """
    runs = [run for run in runs if len(run) >= WINDOW]
    if not runs:
        raise ValueError(f"no run of {WINDOW} frames to train the prior on")
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    if batch % world:
        raise ValueError(f"a batch of {batch} windows cannot be divided among {world} processes")
    features = torch.cat([run.features[:, : prior.config.features] for run in runs])
    prior.front.fit(features, torch.cat([run.energy for run in runs]))
    prior.basis.fit(torch.cat([run.expression for run in runs]), metric)
    heard = [prior.front(run.features[:, : prior.config.features], run.energy) for run in runs]
    motion = [prior.basis(run.expression) for run in runs]
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(prior.net.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, max(steps, 2), pct_start=0.2)
    prior.train()
    losses = []
    for step in range(steps):
        x, z = _windows(heard, motion, batch, generator)
        x = x + NOISE * torch.randn(x.shape, generator=generator)
        y = prior.predict(x[rank::world])
        loss = F.mse_loss(y, z[rank::world]) + F.mse_loss(y.diff(dim=1), z[rank::world].diff(dim=1))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        total = loss.detach().clone()
        if world > 1:
            for weight in prior.net.parameters():
                assert weight.grad is not None
                dist.all_reduce(weight.grad)
                weight.grad.div_(world)
            dist.all_reduce(total)
            total /= world
        optimiser.step()
        schedule.step()
        losses.append(float(total))
        if progress is not None:
            progress(step + 1)
    prior.eval()
    return losses


def _windows(
    heard: list[Tensor], motion: list[Tensor], batch: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Random windows [batch, WINDOW, ...]; every voice is as likely as every other."""
    voices = torch.randint(len(heard), (batch,), generator=generator).tolist()
    starts = [int(torch.randint(len(heard[v]) - WINDOW + 1, (), generator=generator)) for v in voices]
    return tuple(  # type: ignore[return-value]  # two of them
        torch.stack([rows[v][a : a + WINDOW] for v, a in zip(voices, starts, strict=True)]) for rows in (heard, motion)
    )
