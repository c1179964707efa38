"""What nerf.json and nerf_curve.csv say of a training: PSNR of whole pictures, its cost, its speed."""

import math
import resource
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from models.nerf.rendering import render_picture
from models.nerf.training import Trainer
from tasks.artifacts.masks import HEAD_LABELS, Label
from tasks.nerf_data import DecodedPictures

SHOWN = 3  # pictures of each part in the preview strip


class TrainingReport:
    """Figures of a training run: PSNR of whole pictures, of the training part and of the held-out part.

    Held-out frames are measured for reporting only.  The face box is the bounding box of the head's label pixels
    without hair.
    """

    def __init__(
        self, trainer: Trainer, pictures: DecodedPictures, train_rows: np.ndarray, held_rows: np.ndarray, count: int
    ):
        self.trainer, self.pictures = trainer, pictures
        self.rows = {"train": _spread(train_rows, count), "held_out": _spread(held_rows, count)}
        self.glanced: list[tuple[int, np.ndarray]] = []  # row and picture of the last glance's, a few of each part

    def glance(self) -> dict[str, float]:
        """PSNR of a few pictures at half size, for the curve; some of them are kept in ``glanced``."""
        size = self.pictures.labels.shape[1] // 2
        out = {}
        self.glanced = []
        for part, rows in self.rows.items():
            errors = []
            for row, picture in zip(rows[::4], self._render(rows[::4], size), strict=True):
                errors.append(np.mean((picture - self.halved(row) / 255) ** 2))
                if len(errors) <= SHOWN:
                    self.glanced.append((int(row), (picture * 255).round().astype(np.uint8)))
            out[f"psnr_{part}"] = float(np.mean([decibels(float(e)) for e in errors])) if errors else math.nan
        return {name: value for name, value in out.items() if math.isfinite(value)}

    def recorded(self) -> list[np.ndarray]:
        """What the recording shows in the pictures that every glance keeps, uint8."""
        return [self.halved(row).round().astype(np.uint8) for rows in self.rows.values() for row in rows[::4][:SHOWN]]

    def halved(self, row: int) -> np.ndarray:
        """The recording's frame ``row`` at half size, in 0..255."""
        size = self.pictures.labels.shape[1] // 2
        return self.pictures.colours[row].reshape(size, 2, size, 2, 3).mean((1, 3))

    def final(self, seconds: float, steps: int, rays: int) -> dict[str, Any]:
        """The content of nerf.json after ``steps`` steps of ``rays`` rays in ``seconds``."""
        metrics: dict[str, Any] = {}
        for part, rows in self.rows.items():
            scores: dict[str, list[float]] = {"psnr": [], "psnr_face": [], "psnr_person": []}
            for row, picture in zip(rows, self._render(rows, self.pictures.labels.shape[1]), strict=True):
                labels = self.pictures.labels[row]
                error = (picture - self.pictures.colours[row] / 255.0) ** 2
                scores["psnr"].append(decibels(float(error.mean())))
                face = np.argwhere(np.isin(labels, [label for label in HEAD_LABELS if label != Label.HAIR]))
                if len(face):
                    (top, left), (bottom, right) = face.min(0), face.max(0) + 1
                    scores["psnr_face"].append(decibels(float(error[top:bottom, left:right].mean())))
                if (labels > 0).any():
                    scores["psnr_person"].append(decibels(float(error[labels > 0].mean())))
            metrics[part] = {name: float(np.mean(v)) if v else "not measured" for name, v in scores.items()}
            metrics[part]["pictures"] = len(rows)
        metrics["frames_per_second"] = self.speed()
        return metrics | {
            "steps": steps,
            "seconds": seconds,
            "rays_per_second": steps * rays / max(seconds, 1e-9),
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "parameters": sum(p.numel() for p in self.trainer.network.parameters()),
            "device": str(self.trainer.device),
        }

    def speed(self, pictures: int = 5) -> float:
        """Pictures a second at the trained size, the first left out."""
        rows = self.rows["train"][: pictures + 1]
        made = self._render(rows, self.pictures.labels.shape[1])
        next(made)
        started = time.perf_counter()
        count = sum(1 for _ in made)
        return count / (time.perf_counter() - started)

    def _render(self, rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
        network = self.trainer.network
        with torch.no_grad():
            planes = network.planes()
            for row in rows:
                driving = self.trainer.driving.pick(torch.tensor([row]), self.trainer.device)
                yield render_picture(network, driving, size, planes).clamp(0, 1).cpu().numpy()


def decibels(error: float) -> float:
    """PSNR of a mean squared error of values in 0..1; 99 dB stands for no error at all."""
    return min(-10 * math.log10(error), 99.0) if error > 0 else 99.0


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))] if len(rows) else rows
