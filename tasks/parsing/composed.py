"""Labels composed from person matte, face mesh, fitted head and this person's own colours (models/parsing/compose.py).

Two passes over the video: the first takes some frames, from which colours are learnt, the second labels all.  The steps
of the second (decode, matte, scores, vote, labels) run ahead of each other in threads.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import torch

from models.flame.camera import project
from models.flame.head import FlameHead
from models.landmarks.layouts import MESH
from models.parsing.compose import Composer
from models.parsing.evidence import Evidence, moved, reduced
from models.parsing.finish import finish
from models.parsing.matte import PersonMatte, every_nth_matte
from models.parsing.outline import FACE_OVAL
from models.parsing.steady import Steady
from models.parsing.vote import vote
from tasks.ahead import ahead
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.landmarks import LandmarkTrack
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.video import read_frames, read_some_frames
from tasks.errors import DamagedArtifact, StageFailed
from tasks.fitted_mesh import fitted_mesh

Frame = tuple[int, tuple[int, int], np.ndarray]  # id, shape of the picture, the picture reduced
SKULL_REGIONS = ("face", "scalp", "ears")
CHUNK = 64  # frames whose head is posed at once
PERHAPS = 0.3  # matte above which a pixel is kept out of the background plate


class ComposedLabels:
    """LabelSource of a tracked subject; a context manager.

    fill_gap: frames; a face that is lost for at most so long is interpolated.  matte_every: frames from one run of the
    matte network to the next; the mattes between are interpolated.  weights: of the temporal vote.
    Raises MissingInput or DamagedArtifact for its inputs, StageFailed where no frame has a face.
    """

    def __init__(
        self,
        folder: SubjectFolder,
        landmarks: LandmarkTrack,
        fill_gap: int,
        matte_every: int,
        weights: tuple[float, ...],
    ) -> None:
        flame = read_flame(folder.flame)
        if len(landmarks) != len(flame):
            raise DamagedArtifact(folder.landmarks, f"{len(landmarks)} rows, {folder.flame.name} has {len(flame)}")
        head_path = AssetFolder.default().open_head
        head = read_head(head_path)
        mesh_by = landmarks.detector
        if landmarks.layout is not MESH:
            # Lids, lips and the face's outline need the mesh; the fitted head has one.
            landmarks = replace(landmarks, points=fitted_mesh(head, flame))
            mesh_by = f"the fitted head's (landmarks: {mesh_by})"
        points, lost = fill_short_gaps(landmarks, fill_gap)
        points = calm_outline(points)
        if lost.all():
            raise StageFailed(
                f"{folder.landmarks} has a face in none of its {len(landmarks)} frames: nothing can be parsed"
            )
        identity = head_identity(head_path)
        self._evidence = _EvidenceMaker(folder, head, flame, points, lost)
        self._weights, self._every = weights, matte_every
        self._composer = Composer()
        self._matte = PersonMatte()
        self._facts: dict[str, Any] = {
            "parts": {
                "parsing": "composed from matte, mesh, fitted head and colours (stands in for BiSeNet)",
                "matte": self._matte.name,
                "mesh": mesh_by,
                "head": f"{identity['name']} {identity['sha256']}",
            },
            "frames_without_face": int(lost.sum()),
            "frames_without_fitted_head": int((~flame.usable & ~lost).sum()),
        }

    def learn(self, wanted: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        chosen = []
        for rgb, frame in self._evidence.some(self._matte, list(wanted)):
            chosen.append(frame)
            yield rgb, cv2.resize(frame.matte, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR) > PERHAPS
        self._composer.fit(chosen)

    def labels(self) -> Generator[np.ndarray, None, None]:
        steady = Steady()
        with ahead(self._evidence.all(self._matte, self._every)) as known:

            def scored() -> Iterator[tuple[Frame, np.ndarray | None, np.ndarray]]:
                for i, shape, frame in known:
                    scores = None if frame.points is None else self._composer.scores(frame)
                    yield (i, shape, frame.rgb), scores, frame.matte

            def voted() -> Iterator[tuple[Frame, np.ndarray | None, np.ndarray]]:
                for frame, scores, share in vote(scores_of, self._weights):
                    yield frame, *steady(frame[2], scores, share)

            with ahead(scored()) as scores_of, ahead(voted()) as decided:
                for (i, shape, _), scores, share in decided:
                    yield finish(scores, share, None if scores is None else self._evidence.points[i], shape)

    def facts(self) -> dict[str, Any]:
        return self._facts | {"long_hair": round(self._composer.long_hair, 3)}

    def __enter__(self) -> "ComposedLabels":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._matte.close()


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


def calm_outline(points: np.ndarray) -> np.ndarray:
    """Points [N, 478, 3] with the face's outline averaged over neighbouring frames, 1 : 2 : 1.

    The detector's jitter would move the face's edge over hair and neck.  Lips and lids are left alone: they are fast.
    """
    own = points[:, FACE_OVAL]
    before, after = np.roll(own, 1, 0), np.roll(own, -1, 0)
    before[:1], after[-1:] = own[:1], own[-1:]
    before, after = (np.where(np.isnan(other), own, other) for other in (before, after))
    result = points.copy()
    result[:, FACE_OVAL] = (before + 2 * own + after) / 4
    return result


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

    def all(self, matte: PersonMatte, every: int) -> Iterator[tuple[int, tuple[int, int], Evidence]]:
        """Frame id, shape of the picture and evidence of every frame."""
        placed = np.zeros((0, 0, 2), np.float32)
        with ahead(self._reduced()) as pictures:
            for i, (shape, small, share) in enumerate(every_nth_matte(pictures, matte, every)):
                if i % CHUNK == 0:
                    placed = self._projected(np.arange(i, min(i + CHUNK, len(self.points))))
                yield i, shape, self._of(i, shape, small, share, placed[i % CHUNK])

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
