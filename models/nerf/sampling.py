"""Which rays a training step sees.

A step takes a few frames and the same number of rays from each, so that what is paid per frame (blended planes,
displacement maps) is shared.  Rays are drawn by region: places that can meet the head, places that cannot, and extra
shares for mouth, eyes and the neck band, which are small and what people look at.
The draw of a step depends on (seed, step) alone: a resumed run continues as if it had never stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

NEAR = 0.04  # of the picture's side: how far round the neck its share of the rays reaches


class Pictures(Protocol):
    """Random access to uint8 pictures by row: colours [N, H, W, 3] and label maps [N, H, W]."""

    colours: np.ndarray
    labels: np.ndarray


@dataclass
class RayShares:
    """Rays per frame: ``head`` of places that can meet the head, of which ``fine`` and ``neck`` are drawn from those
    labels; ``other`` from elsewhere, of which ``torso`` are drawn from the torso."""

    head: int = 320
    fine: int = 80
    neck: int = 40
    other: int = 112
    torso: int = 64


@dataclass
class RayBatch:
    """rows [F] of the frames; head_pixels [F, N, 2] and other_pixels [F, M, 2] in pixels (u, v); colours [F*N + F*M, 3]
    in 0..1 and labels uint8 likewise, in the order of Rendered; jitter [F*N, S]."""

    rows: torch.Tensor
    head_pixels: torch.Tensor
    other_pixels: torch.Tensor
    colours: torch.Tensor
    labels: torch.Tensor
    jitter: torch.Tensor


class RaySampler:
    """Draws batches.

    rows: usable training frames.  inside bool [N, G, G]: cells of each picture that can meet the head.
    fine, neck, torso: label values of the regions.
    """

    def __init__(
        self,
        pictures: Pictures,
        inside: np.ndarray,
        rows: np.ndarray,
        shares: RayShares,
        samples: int,
        seed: int,
        regions: tuple[Sequence[int], Sequence[int], Sequence[int]],
    ):
        self.pictures, self.inside, self.rows = pictures, inside, rows
        self.shares, self.samples, self.seed = shares, samples, seed
        self.size = pictures.labels.shape[1]
        self.bits = np.zeros(256, np.uint8)  # of a label: bit r where region r has it
        for region, labels in enumerate(regions):
            self.bits[list(labels)] |= 1 << region

    def draw(self, step: int, frames: int) -> RayBatch:
        """The batch of step ``step`` with rays of ``frames`` frames."""
        rng = np.random.default_rng((self.seed, step))
        rows = rng.choice(self.rows, frames, replace=frames > len(self.rows))
        shares = self.shares
        head, other = [], []
        for row in rows:
            bits = np.take(self.bits, np.asarray(self.pictures.labels[row]).reshape(-1))
            fine = self._from(rng, bits & 1 != 0, shares.fine)
            neck = self._scattered(rng, self._from(rng, bits & 2 != 0, shares.neck))
            rest = self._in_cells(rng, self.inside[row], shares.head - len(fine) - len(neck))
            head.append(np.concatenate([fine, neck, rest]))
            outside = ~self.inside[row]
            cells = len(outside)
            torsos = (bits & 4 != 0).reshape(cells, self.size // cells, cells, -1) & outside[:, None, :, None]
            torso = self._from(rng, torsos.reshape(-1), shares.torso)
            other.append(np.concatenate([torso, self._in_cells(rng, outside, shares.other - len(torso))]))
        return self._batch(rows, np.stack(head), np.stack(other), rng)

    def patches(self, step: int, count: int, side: int, centres: np.ndarray) -> RayBatch:
        """``count`` square patches of ``side`` pixels, one frame each, for the perceptual loss.

        centres float [N, P, 2]: places (u, v) of each frame that patches are drawn round.
        """
        rng = np.random.default_rng((self.seed, step, 1))
        rows = rng.choice(self.rows, count, replace=count > len(self.rows))
        pixels = []
        for row in rows:
            u, v = centres[row, rng.integers(centres.shape[1])] + rng.normal(0, side / 4, 2)
            left, top = np.clip(np.round([u - side / 2, v - side / 2]), 0, self.size - side).astype(int)
            grid = np.arange(top, top + side)[:, None] * self.size + np.arange(left, left + side)[None]
            pixels.append(grid.reshape(-1))
        return self._batch(rows, np.stack(pixels), np.zeros((count, 0), np.int64), rng)

    def _batch(self, rows: np.ndarray, head: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> RayBatch:
        colours, labels = [], []
        for part in (head, other):
            for row, index in zip(rows, part, strict=True):
                i, j = np.divmod(index, self.size)
                colours.append(self.pictures.colours[row][i, j])
                labels.append(self.pictures.labels[row][i, j])
        jitter = rng.random((head.size, self.samples), dtype=np.float32)
        return RayBatch(
            torch.as_tensor(rows),
            self._places(head),
            self._places(other),
            torch.from_numpy(np.concatenate(colours).astype(np.float32) / 255.0),
            torch.from_numpy(np.concatenate(labels)),
            torch.from_numpy(jitter),
        )

    def _places(self, index: np.ndarray) -> torch.Tensor:
        i, j = np.divmod(index, self.size)
        return torch.from_numpy(np.stack([j + 0.5, i + 0.5], -1).astype(np.float32))

    @staticmethod
    def _from(rng: np.random.Generator, mask: np.ndarray, count: int) -> np.ndarray:
        candidates = np.flatnonzero(mask)
        return rng.choice(candidates, count) if len(candidates) else np.zeros(0, np.int64)

    def _scattered(self, rng: np.random.Generator, index: np.ndarray) -> np.ndarray:
        """Pixels moved by up to NEAR of the picture's side along x and y."""
        reach = max(1, round(NEAR * self.size))
        i, j = np.divmod(index, self.size)
        i, j = (np.clip(x + rng.integers(-reach, reach + 1, len(index)), 0, self.size - 1) for x in (i, j))
        return i * self.size + j

    def _in_cells(self, rng: np.random.Generator, cells: np.ndarray, count: int) -> np.ndarray:
        grid = cells.shape[0]
        cell = self.size // grid
        candidates = np.flatnonzero(cells)
        if len(candidates) == 0:  # nothing of this kind in the frame: anywhere will do
            candidates = np.arange(grid * grid)
        i, j = np.divmod(rng.choice(candidates, count), grid)
        i, j = i * cell + rng.integers(0, cell, count), j * cell + rng.integers(0, cell, count)
        return i * self.size + j
