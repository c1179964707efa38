"""parse: a label map for every frame, and the background behind the person.

Stands in for BiSeNet face parsing (licensed): labels are composed from a person matte, the face mesh, the fitted
head and this person's own colours (models/parsing/compose.py), with a temporal vote.  Two passes over the video: the
first takes frames spread over the training part, from which colours and background are learnt, the second labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from models.flame.camera import project
from models.flame.head import FlameHead
from models.parsing.compose import Composer, Evidence, finish
from models.parsing.matte import PersonMatte
from models.parsing.plate import BackgroundPlate
from models.parsing.vote import vote
from tasks.artifacts.background import write_background
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.landmarks import LandmarkTrack, read_landmarks
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.masks import write_masks
from tasks.artifacts.video import read_frames
from tasks.errors import DamagedArtifact, StageFailed
from tasks.split import train_length
from tasks.stage import main

SKULL_REGIONS = ("face", "scalp", "ears")
CHUNK = 64  # frames whose head is posed at once


@dataclass(frozen=True)
class ParseParams:
    """Parameters of the parse stage.

    samples: frames spread over the training part from which colours and background are learnt.
    fill_gap: frames; a face that is lost for at most so long is interpolated.
    vote: weights of the frames t-r .. t+r whose scores decide a label; odd in number.
    """

    samples: int = 48
    fill_gap: int = 5
    vote: list[float] = field(default_factory=lambda: [1.0, 2.0, 3.0, 2.0, 1.0])


def run(folder: SubjectFolder, params: ParseParams) -> dict[str, Any]:
    """Write ``masks.parquet`` and ``background.png``; returns the header of the masks.

    Raises MissingInput or DamagedArtifact for its inputs, StageFailed where no frame has a face.
    """
    landmarks, flame = read_landmarks(folder.landmarks), read_flame(folder.flame)
    if len(landmarks) != len(flame):
        raise DamagedArtifact(folder.landmarks, f"{len(landmarks)} rows, {folder.flame.name} has {len(flame)}")
    points, lost = fill_short_gaps(landmarks, params.fill_gap)
    if lost.all():
        raise StageFailed(
            f"{folder.landmarks} has a face in none of its {len(landmarks)} frames: nothing can be parsed"
        )
    try:
        train = train_length(len(landmarks))
    except ValueError as error:
        raise StageFailed(f"{folder.landmarks}: {error}") from None
    head_path = AssetFolder.default().open_head
    evidence = _EvidenceMaker(folder, read_head(head_path), flame, points, lost)
    composer = Composer()
    with PersonMatte() as matte:
        chosen, plate = _sample(evidence, matte, params.samples, train)
        composer.fit(chosen)
        background, seen = plate.finish()
        del chosen
        identity = head_identity(head_path)
        header: dict[str, Any] = {
            "parts": {
                "parsing": "composed from matte, mesh, fitted head and colours (stands in for BiSeNet)",
                "matte": matte.name,
                "mesh": landmarks.detector,
                "head": f"{identity['name']} {identity['sha256']}",
            },
            "image_size": landmarks.image_size,
            "frames_without_face": int(lost.sum()),
            "frames_without_fitted_head": int((~flame.usable & ~lost).sum()),
            "long_hair": round(composer.long_hair, 3),
            "background_inpainted_share": round(float(1 - seen.mean()), 4),
        }
        bar = tqdm(_labels(evidence, matte, composer, params), "parse", len(landmarks), unit="frame", mininterval=2.0)
        count = write_masks(folder.masks, bar, header)
    if count != len(landmarks):
        folder.masks.unlink()
        raise DamagedArtifact(folder.video, f"{count} frames, {folder.landmarks.name} has {len(landmarks)} rows")
    write_background(folder.background, background)
    return header


def fill_short_gaps(track: LandmarkTrack, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Points float32 [N, L, 3] with gaps of at most ``longest`` frames interpolated, and lost bool [N]: no points."""
    points, found = track.points.copy(), track.found
    known = np.flatnonzero(found)
    for before, after in pairwise(known):
        gap = after - before - 1
        if 0 < gap <= longest:
            share = (np.arange(1, gap + 1) / (gap + 1))[:, None, None]
            points[before + 1 : after] = points[before] * (1 - share) + points[after] * share
            found[before + 1 : after] = True
    return points, ~found


class _EvidenceMaker:
    """Puts together what is known of each frame, streaming over the video."""

    def __init__(
        self, folder: SubjectFolder, head: FlameHead, flame: FlameSequence, points: np.ndarray, lost: np.ndarray
    ) -> None:
        self._folder, self._head, self._flame = folder, head, flame
        self._points, self._lost, self._usable = points, lost, flame.usable
        self._skull = torch.cat([head.regions[name] for name in SKULL_REGIONS if name in head.regions])
        self._neck = head.regions["neck"]
        self._chunk = -1
        self._vertices = np.zeros((0, 0, 2), np.float32)

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        for i, rgb in enumerate(read_frames(self._folder.video)):
            if i >= len(self._points):
                raise DamagedArtifact(self._folder.video, f"more than the {len(self._points)} frames of the tables")
            yield i, rgb

    def of(self, i: int, rgb: np.ndarray, matte: np.ndarray) -> Evidence:
        if self._lost[i]:
            return Evidence(rgb, matte, None)
        if not self._usable[i]:
            return Evidence(rgb, matte, self._points[i])
        vertices = self._projected(i)
        count = len(self._skull)
        return Evidence(rgb, matte, self._points[i], vertices[:count], vertices[count:])

    def _projected(self, i: int) -> np.ndarray:
        """Skull, then neck vertices of frame i in the picture: float32 [K, 2] px."""
        if i // CHUNK != self._chunk:
            self._chunk = i // CHUNK
            rows = self._flame.slice(self._chunk * CHUNK, (self._chunk + 1) * CHUNK)
            columns = (
                rows.expression, rows.global_rotation, rows.neck_rotation, rows.jaw_rotation, rows.eyes_rotation,
                rows.translation,
            )  # fmt: skip
            tensors = [torch.from_numpy(np.nan_to_num(np.asarray(c, np.float32))) for c in columns]
            shape = torch.from_numpy(np.asarray(self._flame.shape, np.float32))[None]
            with torch.inference_mode():
                vertices = self._head(shape, *tensors)[:, torch.cat([self._skull, self._neck])]
                self._vertices = project(vertices, self._flame.focal, self._flame.image_size).numpy()
        return self._vertices[i % CHUNK]


def _sample(
    evidence: _EvidenceMaker, matte: PersonMatte, samples: int, train: int
) -> tuple[list[Evidence], BackgroundPlate]:
    """First pass: evidence of frames spread over the training part, and a background plate of the same frames.

    Never of held-out frames: the plate is part of what the portrait paints.
    """
    wanted = {int(i) for i in np.linspace(0, train - 1, min(samples, train)).round()}
    chosen: list[Evidence] = []
    plate: BackgroundPlate | None = None
    for i, rgb in islice(evidence.frames(), train):
        if i not in wanted:
            continue
        share = matte(rgb)
        if plate is None:
            plate = BackgroundPlate(len(wanted), rgb.shape[:2])
        plate.add(rgb, share > 0.3)
        chosen.append(evidence.of(i, rgb, share))
    if plate is None:
        raise StageFailed("the video has no frame")
    return chosen, plate


def _labels(
    evidence: _EvidenceMaker, matte: PersonMatte, composer: Composer, params: ParseParams
) -> Iterator[np.ndarray]:
    """Second pass: label map uint8 [H, W] of every frame."""

    def scored() -> Iterator[tuple[np.ndarray | None, np.ndarray | None, np.ndarray]]:
        for i, rgb in evidence.frames():
            frame = evidence.of(i, rgb, matte(rgb))
            yield frame.points, None if frame.points is None else composer.scores(frame), frame.matte

    for points, scores, share in vote(scored(), tuple(params.vote)):
        yield finish(scores, share, points)


if __name__ == "__main__":
    raise SystemExit(main("parse", ParseParams, run))
