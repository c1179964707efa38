"""What runs on an accelerator stays there, shown without one: torch's ``meta`` device computes shapes and no numbers.

A tensor left on the processor (made without ``device``, or never moved) meets one of the other device's and raises; so
does a step that waits for a number.  It says nothing of speed, of memory, or of an accelerator's results.
"""

import numpy as np
import pytest
import torch
from test_network import pixels, small

from models.nerf.sampling import RayBatch
from models.nerf.training import Labels, Schedule, Trainer

ELSEWHERE = torch.device("meta")


class OneBatch:
    """A sampler that has one batch: rays of 4 frames, or 2 patches."""

    seed = 0

    def draw(self, step: int, frames: int) -> RayBatch:
        return self._batch(4, 8, 8)

    def patches(self, step: int, count: int, side: int, centres: np.ndarray) -> RayBatch:
        return self._batch(count, side * side, 0)

    @staticmethod
    def _batch(frames: int, head: int, other: int) -> RayBatch:
        rays = frames * (head + other)
        colours, labels = torch.rand(rays, 3), torch.ones(rays).byte()
        rows, jitter = torch.arange(frames), torch.rand(frames * head, 8)
        return RayBatch(rows, pixels(frames, head), pixels(frames, other, 1), colours, labels, jitter)


@pytest.mark.parametrize("changes", [{}, {"fusion": False}, {"deform": False, "shell": False}])
def test_the_losses_leave_nothing_on_the_processor(changes: dict[str, bool]):
    network, driving = small(**changes)
    network.to(ELSEWHERE)
    schedule = Schedule(1, patches=2, patch=4)
    trainer = Trainer(
        network,
        driving,
        OneBatch(),  # type: ignore[arg-type]
        Labels((2,), (3,)),
        schedule,
        np.zeros((12, 1, 2)),
        lambda a, b: (a - b).square().mean((1, 2, 3)),
        ELSEWHERE,
    )
    generator, planes = torch.Generator(), network.planes()
    batch = trainer.sampler.draw(0, 4)
    rendered, loss = trainer._photometric(batch, planes, generator)
    loss = loss + trainer._opacity(batch, rendered) + trainer._perceptual(0, planes, generator)
    loss.backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    assert {gradient.device for gradient in gradients.values()} == {ELSEWHERE}
    assert "static.plane.levels.0" in gradients


def test_a_tensor_left_on_the_processor_is_found():
    network, driving = small()
    network.to(ELSEWHERE)
    network.pose_mean = network.pose_mean.new_zeros(network.pose_mean.shape, device="cpu")
    with pytest.raises(RuntimeError, match="device"):
        network.conditions(driving.pick(torch.tensor([0]), ELSEWHERE))
