"""torso: how the torso moves in the picture, frame by frame (what FLAME, which ends at the neck, cannot say).

    python -m tasks.torso --subject ID --profile demo

The torso's mean picture is learned from the training part of the clip; every frame is aligned to it on its own
(models/nerf/torso).  The Static-NeRF is driven by it.  Speech-driven motion has no recording to measure: there the
nerf stage foretells the torso from the head's pose.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import torch
from pydantic import Field
from tqdm import tqdm

from models.nerf.torso.alignment import Aligner, Alignment, build_template
from models.nerf.torso.template import SIDE, Views
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.masks import Label, MaskReader
from tasks.artifacts.torso import TorsoTrack, write_torso
from tasks.artifacts.video import read_frames
from tasks.errors import DamagedArtifact, StageFailed
from tasks.split import train_length
from tasks.stage import main

METHOD = "alignment to the mean picture: affine, then displacements, coarse to fine (ours)"
BATCH = 64  # frames aligned at once
RIM = 1 / 64  # of the picture: width of neck and head beside the torso that alignment sees


@dataclass
class TorsoParams:
    """How the torso's motion is measured."""

    template_frames: Annotated[int, Field(ge=2)] = 240
    """Frames of the training part, evenly spread, of which the torso's mean picture is made."""


def run(folder: SubjectFolder, params: TorsoParams) -> None:
    """video.mp4, masks.parquet -> torso.parquet.

    A frame that shows too little torso gets no motion; a clip without torso gets none anywhere, which is no failure.
    Raises MissingInput, DamagedArtifact, or StageFailed where the clip is too short to be split.
    """
    masks = MaskReader(folder.masks)
    try:
        train = train_length(len(masks))
    except ValueError as error:
        raise StageFailed(f"torso: {error}") from None
    chosen = set(np.unique(np.linspace(0, train - 1, min(params.template_frames, train)).astype(int)).tolist())
    with tqdm(total=train + len(masks), desc="torso", unit="frame", mininterval=2) as bar:
        seen = []
        for row, frame in enumerate(_frames(folder, masks, chosen)):
            if row in chosen:
                seen.append(frame)
            bar.update()
            if row == max(chosen):
                break
        aligner = Aligner(build_template(_views(seen)))
        del seen
        parts: list[Alignment] = []
        waiting: list[np.ndarray] = []
        for row, frame in enumerate(_frames(folder, masks)):
            waiting.append(frame)
            if len(waiting) == BATCH or row == len(masks) - 1:
                parts.append(aligner.align(_views(waiting)))
                bar.update(len(waiting))
                waiting = []
    motion, residual, visible = (
        torch.cat([getattr(part, name) for part in parts]).numpy() for name in ("motion", "residual", "visible")
    )
    write_torso(folder.torso, TorsoTrack(np.arange(len(masks)), motion, residual, visible, METHOD))


def _frames(folder: SubjectFolder, masks: MaskReader, chosen: set[int] | None = None) -> Iterator[np.ndarray]:
    """What ``Views`` holds of every frame, float32 [3, SIDE, SIDE]; empty arrays for frames not chosen."""
    count = 0
    for picture in read_frames(folder.video):
        if count == len(masks):
            raise DamagedArtifact(folder.video, f"more than the {len(masks)} frames that have label maps")
        yield view(picture, masks[count]) if chosen is None or count in chosen else np.empty(0)
        count += 1
    if count != len(masks):
        raise DamagedArtifact(folder.video, f"{count} frames, {len(masks)} have label maps")


def view(picture: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """uint8 RGB [S, S, 3] and its label map [S, S] -> brightness, share of torso, share of torso and rim: float32
    [3, SIDE, SIDE]."""
    grey = cv2.cvtColor(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    torso = (labels == Label.TORSO).astype(np.uint8)
    radius = max(1, round(RIM * len(labels)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    near = cv2.dilate(torso, disc) & (labels != Label.BACKGROUND)
    shares = [cv2.resize(x.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for x in (torso, near)]
    return np.stack([grey.astype(np.float32) / 255, *shares])


def _views(frames: list[np.ndarray]) -> Views:
    return Views(*torch.from_numpy(np.stack(frames)).split(1, dim=1))


if __name__ == "__main__":
    raise SystemExit(main("torso", TorsoParams, run))
