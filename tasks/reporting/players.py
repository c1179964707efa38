"""The report's videos: small enough to travel inside the page, the recording cut to the seconds of the render."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.audio import SAMPLE_RATE, read_audio
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.video import VideoWriter, read_frames, read_provenance
from tasks.errors import DamagedArtifact
from tasks.reporting.pictures import file_uri

MP4 = "video/mp4"
SMALL_CRF = 30  # of a video that had to be made smaller


@dataclass(frozen=True)
class Player:
    """render, truth: data URIs (truth empty where it is not shown beside); note: which seconds were trained on."""

    render: str
    truth: str
    note: str


def spoken_player(folder: SubjectFolder, fps: float, most_bytes: int) -> Player:
    """render.mp4 and the same seconds of the recording.  Raises MissingInput or DamagedArtifact."""
    seconds = _seconds(folder.render)
    sound = _sound(folder, seconds, fps)
    pictures = _rows(folder.video, seconds["first"], seconds["end"])
    truth = _encode(pictures, sound, fps, crf=23, record=None)
    return Player(_fit(folder, folder.render, seconds, fps, most_bytes), truth, _note(seconds, fps))


def repeated_player(folder: SubjectFolder, fps: float, most_bytes: int) -> Player:
    """self_driven.mp4.  Raises MissingInput or DamagedArtifact."""
    seconds = _seconds(folder.self_driven)
    return Player(_fit(folder, folder.self_driven, seconds, fps, most_bytes), "", _note(seconds, fps))


def _fit(folder: SubjectFolder, path: Path, seconds: dict[str, int], fps: float, most_bytes: int) -> str:
    if path.stat().st_size <= most_bytes:
        return file_uri(path, MP4)
    pictures = read_frames(path, "the evaluate stage")
    return _encode(pictures, _sound(folder, seconds, fps), fps, SMALL_CRF, read_provenance(path))


def _encode(
    pictures: Iterator[np.ndarray], sound: np.ndarray, fps: float, crf: int, record: dict[str, Any] | None
) -> str:
    with tempfile.TemporaryDirectory(prefix="erlnet-report-") as place:
        path = Path(place) / "player.mp4"
        with VideoWriter(path, fps, crf, sound, SAMPLE_RATE, record, preset="veryfast") as video:
            for picture in pictures:
                video.write(picture)
        return file_uri(path, MP4)


def _rows(path: Path, first: int, end: int) -> Iterator[np.ndarray]:
    for row, picture in enumerate(read_frames(path)):
        if row >= end:
            return
        if row >= first:
            yield picture


def _sound(folder: SubjectFolder, seconds: dict[str, int], fps: float) -> np.ndarray:
    start, stop = (round(seconds[key] * SAMPLE_RATE / fps) for key in ("first", "end"))
    return read_audio(folder.audio)[start:stop]


def _seconds(path: Path) -> dict[str, int]:
    if not path.exists():
        next(read_frames(path, "the evaluate stage"))  # says what is missing
    frames = (read_provenance(path) or {}).get("frames")
    if not frames:
        raise DamagedArtifact(path, "it carries no provenance record with its frames")
    return frames


def _note(seconds: dict[str, int], fps: float) -> str:
    total = (seconds["end"] - seconds["first"]) / fps
    trained = max(0, seconds["held_out_from"] - seconds["first"]) / fps
    if trained == 0:
        return f"All {total:.1f} s are held out: nothing was trained on them."
    return f"{total:.1f} s; the first {trained:.1f} s were trained on, the last {total - trained:.1f} s are held out."
