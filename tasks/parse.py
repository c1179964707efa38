"""parse: a label map for every frame, and the background behind the person.

Labels come from one of two sources (tasks/parsing): composed from a person matte, the face mesh, the fitted head and
this person's own colours, which stands in for BiSeNet; or BiSeNet itself, where its licensed weights are.  Both end in
a temporal vote.  Two passes over the video: the first takes frames spread over the training part, from which colours
and background are learnt, the second labels.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from models.parsing.plate import BackgroundPlate
from tasks.artifacts.background import write_background
from tasks.artifacts.landmarks import LandmarkTrack, read_landmarks
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.masks import write_masks
from tasks.errors import BadInput, DamagedArtifact, StageFailed
from tasks.parsing.composed import ComposedLabels
from tasks.parsing.network import NetworkLabels
from tasks.parsing.source import LabelSource
from tasks.split import train_length
from tasks.stage import main


@dataclass(frozen=True)
class ParseParams:
    """Parameters of the parse stage.

    source: composed, or bisenet (needs its licensed weights, see ``erlnet doctor``).
    samples: frames spread over the training part from which colours and background are learnt.
    fill_gap: frames; a face that is lost for at most so long is interpolated.
    matte_every: frames from one run of the person matte's network to the next; the mattes between are interpolated.
    vote: weights of the frames t-r .. t+r whose scores decide a label; odd in number.
    """

    source: Literal["composed", "bisenet"] = "composed"
    samples: int = 48
    fill_gap: int = 5
    matte_every: int = 2
    vote: list[float] = field(default_factory=lambda: [1.0, 2.0, 3.0, 2.0, 1.0])


def run(folder: SubjectFolder, params: ParseParams) -> dict[str, Any]:
    """Write ``masks.parquet`` and ``background.png``; returns the header of the masks.

    Raises MissingInput or DamagedArtifact for its inputs, BadInput for BiSeNet without its weights, StageFailed where
    no frame has a face.
    """
    if params.matte_every < 1 or len(params.vote) % 2 == 0 or min(params.vote) < 0 or max(params.vote) <= 0:
        raise BadInput(
            "parse.matte_every must be at least 1, parse.vote an odd number of weights, none of them negative"
        )
    landmarks = read_landmarks(folder.landmarks)
    try:
        train = train_length(len(landmarks))
    except ValueError as error:
        raise StageFailed(f"{folder.landmarks}: {error}") from None
    with _source(folder, landmarks, params) as source:
        background, seen = _learn(source, params.samples, train)
        header: dict[str, Any] = {
            "source": params.source,
            "image_size": landmarks.image_size,
            "background_inpainted_share": round(float(1 - seen.mean()), 4),
            **source.facts(),
        }
        with closing(source.labels()) as labels:  # its threads end here, also when the disk is full
            bar = tqdm(labels, "parse", len(landmarks), unit="frame", mininterval=2.0)
            count = write_masks(folder.masks, bar, header)
    if count != len(landmarks):
        folder.masks.unlink()
        raise DamagedArtifact(folder.video, f"{count} frames, {folder.landmarks.name} has {len(landmarks)} rows")
    write_background(folder.background, background)
    return header


@contextmanager
def _source(folder: SubjectFolder, landmarks: LandmarkTrack, params: ParseParams) -> Iterator[LabelSource]:
    if params.source == "bisenet":
        yield NetworkLabels(folder.video, AssetFolder.default().bisenet, len(landmarks), tuple(params.vote))
        return
    with ComposedLabels(folder, landmarks, params.fill_gap, params.matte_every, tuple(params.vote)) as source:
        yield source


def _learn(source: LabelSource, samples: int, train: int) -> tuple[np.ndarray, np.ndarray]:
    """First pass, over frames spread over the training part: the background plate, and where it was seen.

    Never of held-out frames: the plate is part of what the portrait paints.
    """
    wanted = sorted({int(i) for i in np.linspace(0, train - 1, min(samples, train)).round()})
    plate: BackgroundPlate | None = None
    for rgb, person in tqdm(source.learn(wanted), "parse: learning", len(wanted), unit="frame", mininterval=2.0):
        if plate is None:
            plate = BackgroundPlate(len(wanted), (rgb.shape[0], rgb.shape[1]))
        plate.add(rgb, person)
    if plate is None:
        raise StageFailed("the video has no frame")
    return plate.finish()


if __name__ == "__main__":
    raise SystemExit(main("parse", ParseParams, run))
