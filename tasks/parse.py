"""parse: a label map for every frame, and the background behind the person.

Stands in for BiSeNet face parsing (licensed): labels are composed from a person matte, the face mesh, the fitted
head and this person's own colours (models/parsing/compose.py), with a temporal vote.  Two passes over the video: the
first takes frames spread over the training part, from which colours and background are learnt, the second labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from models.flame.camera import project
from models.flame.head import FlameHead
from models.landmarks.layouts import MESH
from models.parsing.compose import Composer
from models.parsing.evidence import Evidence, moved, reduced
from models.parsing.finish import finish
from models.parsing.matte import PersonMatte
from models.parsing.plate import BackgroundPlate
from models.parsing.vote import vote
from tasks.ahead import ahead
from tasks.artifacts.background import write_background
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.landmarks import LandmarkTrack, read_landmarks
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.masks import write_masks
from tasks.artifacts.video import read_frames, read_some_frames
from tasks.errors import DamagedArtifact, StageFailed
from tasks.fitted_mesh import fitted_mesh
from tasks.split import train_length
from tasks.stage import main

Frame = tuple[int, tuple[int, int]]  # id, shape of the picture

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
    head_path = AssetFolder.default().open_head
    head = read_head(head_path)
    mesh_by = landmarks.detector
    if landmarks.layout is not MESH:
        # Lids, lips and the face's outline need the mesh; the fitted head has one.
        landmarks = replace(landmarks, points=fitted_mesh(head, flame))
        mesh_by = f"the fitted head's (landmarks: {mesh_by})"
    points, lost = fill_short_gaps(landmarks, params.fill_gap)
    if lost.all():
        raise StageFailed(
            f"{folder.landmarks} has a face in none of its {len(landmarks)} frames: nothing can be parsed"
        )
    try:
        train = train_length(len(landmarks))
    except ValueError as error:
        raise StageFailed(f"{folder.landmarks}: {error}") from None
    evidence = _EvidenceMaker(folder, head, flame, points, lost)
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
                "mesh": mesh_by,
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
        self._video, self._head, self._flame = folder.video, head, flame
        self.points, self._lost, self._usable = points, lost, flame.usable
        self._skull = torch.cat([head.regions[name] for name in SKULL_REGIONS if name in head.regions])
        self._neck = head.regions["neck"]

    def some(self, matte: PersonMatte, wanted: list[int]) -> Iterator[tuple[np.ndarray, Evidence]]:
        """Picture uint8 [H, W, 3] and evidence of the wanted frames, in order."""
        placed = self._projected(np.array(wanted))
        for vertices, (i, rgb) in zip(placed, read_some_frames(self._video, wanted), strict=False):
            small = reduced(rgb)
            yield rgb, self._of(i, (rgb.shape[0], rgb.shape[1]), small, matte(small), vertices)

    def all(self, matte: PersonMatte) -> Iterator[tuple[int, tuple[int, int], Evidence]]:
        """Frame id, shape of the picture and evidence of every frame."""
        placed = np.zeros((0, 0, 2), np.float32)
        with ahead(self._reduced()) as pictures:
            for i, (shape, small) in enumerate(pictures):
                if i % CHUNK == 0:
                    placed = self._projected(np.arange(i, min(i + CHUNK, len(self.points))))
                yield i, shape, self._of(i, shape, small, matte(small), placed[i % CHUNK])

    def _reduced(self) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        """The shape of every picture and the picture itself, reduced."""
        for i, rgb in enumerate(read_frames(self._video)):
            if i >= len(self.points):
                raise DamagedArtifact(self._video, f"more than the {len(self.points)} frames of the tables")
            yield (rgb.shape[0], rgb.shape[1]), reduced(rgb)

    def _of(
        self, i: int, shape: tuple[int, int], small: np.ndarray, share: np.ndarray, vertices: np.ndarray
    ) -> Evidence:
        if self._lost[i]:
            return Evidence(small, share, None)
        shapes = shape, (small.shape[0], small.shape[1])
        points = moved(self.points[i], *shapes)
        if not self._usable[i]:
            return Evidence(small, share, points)
        placed = moved(vertices, *shapes)
        return Evidence(small, share, points, placed[: len(self._skull)], placed[len(self._skull) :])

    def _projected(self, rows: np.ndarray) -> np.ndarray:
        """Skull, then neck vertices of the frames ``rows`` in the picture: float32 [len(rows), K, 2] px."""
        flame = self._flame
        if not self._usable[rows].any():
            return np.full((len(rows), len(self._skull) + len(self._neck), 2), np.nan, np.float32)
        columns = (
            flame.expression, flame.global_rotation, flame.neck_rotation, flame.jaw_rotation, flame.eyes_rotation,
            flame.translation,
        )  # fmt: skip
        tensors = [torch.from_numpy(np.nan_to_num(np.asarray(column[rows], np.float32))) for column in columns]
        shape = torch.from_numpy(np.asarray(flame.shape, np.float32))[None]
        with torch.inference_mode():
            vertices = self._head(shape, *tensors)[:, torch.cat([self._skull, self._neck])]
            return project(vertices, flame.focal, flame.image_size).numpy()


def _sample(
    evidence: _EvidenceMaker, matte: PersonMatte, samples: int, train: int
) -> tuple[list[Evidence], BackgroundPlate]:
    """First pass: evidence of frames spread over the training part, and a background plate of the same frames.

    Never of held-out frames: the plate is part of what the portrait paints.
    """
    wanted = sorted({int(i) for i in np.linspace(0, train - 1, min(samples, train)).round()})
    chosen: list[Evidence] = []
    plate: BackgroundPlate | None = None
    for rgb, frame in tqdm(
        evidence.some(matte, wanted), "parse: learning colours", len(wanted), unit="frame", mininterval=2.0
    ):
        if plate is None:
            plate = BackgroundPlate(len(wanted), rgb.shape[:2])
        person = cv2.resize(frame.matte, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0.3
        plate.add(rgb, person)
        chosen.append(frame)
    if plate is None:
        raise StageFailed("the video has no frame")
    return chosen, plate


def _labels(
    evidence: _EvidenceMaker, matte: PersonMatte, composer: Composer, params: ParseParams
) -> Iterator[np.ndarray]:
    """Second pass: label map uint8 [H, W] of every frame."""
    with ahead(evidence.all(matte)) as known:

        def scored() -> Iterator[tuple[Frame, np.ndarray | None, np.ndarray]]:
            for i, shape, frame in known:
                scores = None if frame.points is None else composer.scores(frame)
                yield (i, shape), scores, frame.matte

        with ahead(scored()) as scores_of:
            for (i, shape), scores, share in vote(scores_of, tuple(params.vote)):
                yield finish(scores, share, None if scores is None else evidence.points[i], shape)


if __name__ == "__main__":
    raise SystemExit(main("parse", ParseParams, run))
