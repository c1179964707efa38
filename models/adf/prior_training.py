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
CLOSURE_WEIGHT = 0.3  # of the closure's cross entropy beside the squared error of the motion
FIRM = 0.9  # closure from which on a taught frame shows what shut lips look like

Closure = Callable[[Tensor], Tensor]
"""Expression branch [N, E + 9] -> how far its lips are together for a consonant [N], 0 to 1."""


def train_prior(
    prior: MouthPrior,
    runs: list[Run],
    metric: Tensor,
    closure: Closure,
    steps: int,
    batch: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> list[float]:
    """Fit ``prior`` to runs of one voice each; leaves it in eval mode; returns the loss of every step.

    metric [E + 9, E + 9]: what a change of the expression branch costs.  closure: reads off a taught branch what the
    network shall say of its lips; the mean shape where these are together becomes ``prior.shut``, the threshold 0.
    Raises ValueError where no run has WINDOW frames, or ``batch`` cannot be divided among the processes.
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
    together = [closure(run.expression) for run in runs]
    firm = torch.cat([run.expression for run in runs])[torch.cat(together) > FIRM]
    if len(firm):
        prior.shut.copy_(firm.mean(0))
        prior.threshold.zero_()
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(prior.net.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, max(steps, 2), pct_start=0.2)
    prior.train()
    losses = []
    for step in range(steps):
        x, z, shut = _windows((heard, motion, together), batch, generator)
        x = x + NOISE * torch.randn(x.shape, generator=generator)
        x, z, shut = (part[rank::world] for part in (x, z, shut))
        y, logit = prior.predict(x)
        loss = motion_error(y, z) + CLOSURE_WEIGHT * F.binary_cross_entropy_with_logits(logit, shut)
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


def motion_error(made: Tensor, true: Tensor) -> Tensor:
    """Squared error of motion [B, T, K] and of its change from frame to frame."""
    return F.mse_loss(made, true) + F.mse_loss(made.diff(dim=1), true.diff(dim=1))


def _windows(rows: tuple[list[Tensor], ...], batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """The same random windows [batch, WINDOW, ...] of every list in ``rows``; every voice is as likely as another."""
    lengths = [len(part) for part in rows[0]]
    voices = torch.randint(len(lengths), (batch,), generator=generator).tolist()
    starts = [int(torch.randint(lengths[v] - WINDOW + 1, (), generator=generator)) for v in voices]
    return tuple(torch.stack([parts[v][a : a + WINDOW] for v, a in zip(voices, starts, strict=True)]) for parts in rows)
