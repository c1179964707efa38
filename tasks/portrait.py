"""FLAME sequence in, pictures of the person out: what ``animate`` and ``evaluate`` draw with."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.flame.head import FlameHead
from models.nerf.cutout import cut_out, without_holes
from models.nerf.driving import Driving, FlameArrays, driving_of
from models.nerf.layers import run_mixed
from models.nerf.network import Planes
from models.nerf.rendering import render_with_opacity
from models.nerf.turn import turned
from tasks import accelerator
from tasks.artifacts.flame import VECTORS, FlameSequence
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.nerf import TrainedNerf, read_nerf
from tasks.errors import BadInput, StageFailed

CHUNK = 100  # frames whose conditions are in memory at once


@dataclass(frozen=True)
class View:
    """How a portrait is looked at.

    background: "plate" (the filmed backdrop), "transparent" (pictures get an alpha channel) or a colour (red, green,
    blue) of 0..255.  yaw, pitch: degrees by which the camera is turned about the head (models/nerf/turn.py).
    """

    background: str | tuple[int, int, int] = "plate"
    yaw: float = 0.0
    pitch: float = 0.0


FILMED = View()


def flame_arrays(sequence: FlameSequence, shape: np.ndarray) -> FlameArrays:
    """Parameters with every row finite: a row that is not usable holds the last usable one, leading rows the first.

    shape: the identity to use (the trained person's).  Raises BadInput where no row is usable.
    """
    rows = held_rows(sequence.usable)
    values = {name: getattr(sequence, name)[rows].astype(np.float32) for name in ("expression", *VECTORS)}
    return FlameArrays(np.asarray(shape, np.float32), **values)


def held_rows(usable: np.ndarray) -> np.ndarray:
    """int64 [N]: for every row of bool [N] the last usable one, for leading rows the first.  Raises BadInput."""
    if not usable.any():
        raise BadInput("no frame of the FLAME sequence is usable: there is nothing to render")
    last = np.maximum.accumulate(np.where(usable, np.arange(len(usable)), -1))
    return np.where(last >= 0, last, int(np.argmax(usable)))


class Portrait:
    """A trained person, ready to be driven.

    image_size: pixels of a side the person was trained at.  identity: what made the pictures, for provenance.
    """

    def __init__(self, trained: TrainedNerf, head: FlameHead):
        self.trained, self.head = trained, head
        self.device = accelerator.device()
        accelerator.kernels_on(self.device)  # complains of a wish that cannot be met
        self.network = trained.network.to(self.device)
        # On a GPU as it was trained; the processor gains nothing by fewer bits.
        run_mixed(self.network, self.device.type == "cuda" and trained.training.get("precision") == "mixed")
        self._planes: dict[View, Planes] = {}

    @classmethod
    def load(cls, nerf_weights_path: Path, head_path: Path) -> "Portrait":
        """Read the weights and the head model they were trained with.

        Raises MissingInput or DamagedArtifact, and StageFailed where the head model is another one.
        """
        trained = read_nerf(nerf_weights_path)
        head = read_head(head_path)
        found = head_identity(head_path)
        if trained.head.get("sha256") != found["sha256"]:
            raise StageFailed(
                f"{nerf_weights_path} was trained with the head model {trained.head.get('name')!r} of another hash "
                f"than {head_path}: run the track and nerf stages again, or restore that head model"
            )
        return cls(trained, head)

    @property
    def image_size(self) -> int:
        return self.network.config.image_size

    @property
    def identity(self) -> dict[str, Any]:
        return {"head": self.trained.head, "parts": self.trained.parts, "training": self.trained.training}

    def render(
        self,
        sequence: FlameSequence,
        size: int | None = None,
        torso: np.ndarray | None = None,
        view: View = FILMED,
    ) -> Iterator[np.ndarray]:
        """Yield one uint8 RGB picture [size, size, 3] a row of ``sequence``; RGBA [size, size, 4] where ``view`` is
        transparent.

        torso [N, 2, COEFFICIENTS]: the torso's motion a row, as in ``torso.parquet``; None, or NaN in a row: it is
        foretold from the head's pose.

        The camera (focal length) and the identity's shape are the trained ones.  A row that is not usable holds the
        last usable pose (leading ones: the first).  Raises BadInput for a sequence of another head model or size.
        """
        size = size or self.image_size
        if size < 16:
            raise BadInput(f"a render of {size} pixels is too small: ask for 16 or more")
        if len(sequence) == 0:
            raise BadInput("the FLAME sequence has no frame: there is nothing to render")
        if sequence.head.get("sha256", self.trained.head.get("sha256")) != self.trained.head.get("sha256"):
            raise BadInput(
                f"the FLAME sequence belongs to the head model {sequence.head.get('name')!r}, this portrait to "
                f"{self.trained.head.get('name')!r}: track the video again with this head model"
            )
        if sequence.expression.shape[1] != self.head.expression_size:
            raise BadInput(
                f"the FLAME sequence has {sequence.expression.shape[1]} expression coefficients, the head model "
                f"{self.head.expression_size}: track the video again with this head model"
            )
        return self._pictures(flame_arrays(sequence, self.trained.shape), size, torso, view)

    def _pictures(self, arrays: FlameArrays, size: int, torso: np.ndarray | None, view: View) -> Iterator[np.ndarray]:
        for start in range(0, len(arrays), CHUNK):
            driving = driving_of(self.head, arrays, self.trained.front, slice(start, start + CHUNK), torso)
            for row in range(len(driving)):
                yield self._picture(driving.pick(torch.tensor([row]), self.device), size, view)

    @torch.no_grad()
    def _picture(self, driving: Driving, size: int, view: View) -> np.ndarray:
        if view not in self._planes:
            self._planes[view] = self._planes_of(view)
        driving = turned(self.network, driving, view.yaw, view.pitch)
        picture = render_with_opacity(self.network, driving, size, self._planes[view])
        if view.background == "plate":
            return _as_bytes(picture[..., :3])
        cut = without_holes(_as_bytes(cut_out(picture)))
        if view.background == "transparent":
            return cut
        alpha = cut[..., 3:] / 255
        colour = np.array(view.background)
        return (colour + alpha * (cut[..., :3] - colour)).round().astype(np.uint8)

    def _planes_of(self, view: View) -> Planes:
        planes = self.network.planes()
        if view.background != "plate":
            return replace(planes, plate=torch.zeros(1, 3, 1, 1, device=self.device))
        if view.yaw or view.pitch:
            # What the correction learned behind the person was never seen alone: a turn would uncover it.
            return replace(planes, plate=self.network.plate)
        return planes


def _as_bytes(picture: torch.Tensor) -> np.ndarray:
    return (picture.clamp(0, 1) * 255).round().byte().cpu().numpy()
