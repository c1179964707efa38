"""crop: from any source video to a square 25 fps video of head and shoulders with 16 kHz sound, and a table.

Two passes over the source.  The first notes when every picture is shown and finds the faces at about 5 pictures a
second on shrunken pictures; from that follow the number of frames, whose face it is, and one static square for the
whole clip.  The second cuts, scales and encodes.  Nothing but a few frames and the sound is held in memory.

Time: output frame k shows the source at (time of its first picture) + k / fps; the sound starts at that same time
and is cut or padded to exactly the video's length.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue
from threading import BoundedSemaphore
from typing import Any

import numpy as np
from tqdm import tqdm

from models.detection.face_detector import Face, FaceDetector
from tasks.ahead import ahead
from tasks.artifacts.audio import SAMPLE_RATE, write_audio
from tasks.artifacts.frames import FrameTable, write_frames
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.video import VideoWriter
from tasks.errors import BadInput, MissingInput, StageFailed
from tasks.ingest.facts import treatments
from tasks.ingest.framing import Framing, choose_square
from tasks.ingest.main_face import Box, Person, boxes_at, main_person, people, scaled
from tasks.ingest.media import decode_sound
from tasks.ingest.source import SourceVideo
from tasks.ingest.timing import output_frames, resample_frames, sound_samples
from tasks.ingest.upright import Upright
from tasks.stage import main

LONG_SIDE = 640  # pixels of the shrunken pictures of the first pass
MAX_SECONDS = 3600.0  # of the source
MAX_HOLD = 10.0  # seconds for which one picture may be shown


@dataclass(frozen=True)
class CropParams:
    """Parameters of the crop stage.

    size: side of the result in pixels, even.  fps: frames a second of the result.
    above, below, sides: room round the face box that the square should leave, in face heights.
    detection_fps: pictures a second in which the first pass looks for the face.
    crf: x264 quality of the result (10: visually lossless).
    """

    size: int = 256
    fps: float = 25.0
    above: float = 0.75
    below: float = 0.85
    sides: float = 0.8
    detection_fps: float = 5.0
    crf: int = 10


@dataclass
class Survey:
    """What the first pass found.

    times: seconds, when each source picture is shown.  last_duration: seconds the last one is shown, if known.
    looked_at: those of the times at which faces were looked for.
    faces: for each of these, box in pixels of the upright source and confidence of every face found.
    """

    times: list[float]
    last_duration: float | None
    looked_at: list[float]
    faces: list[list[tuple[Box, float]]]
    detector: str = ""


def run(folder: SubjectFolder, params: CropParams) -> FrameTable:
    """Crop ``source.video`` to ``video.mp4``, ``audio.wav`` and ``frames.parquet``.

    Raises MissingInput without a source, BadInput for a source that cannot be used, StageFailed where picture
    and sound would not be equally long.
    """
    if params.size < 64 or params.size % 2:
        raise BadInput(f"crop.size is {params.size}: it must be an even number, at least 64")
    if not folder.source.exists():
        raise MissingInput(folder.source, "erlnet onboard (dvc pull brings it back on another machine)")
    try:
        return _crop(folder, params)
    except BaseException:
        for path in (folder.video, folder.audio, folder.frames):
            path.unlink(missing_ok=True)  # a part of the three would look like a result
        raise


def _crop(folder: SubjectFolder, params: CropParams) -> FrameTable:
    with SourceVideo(folder.source) as source:
        facts = source.facts
        for said in treatments(facts):
            tqdm.write(f"crop: {said}", file=sys.stderr)
        survey = survey_source(source, params)
        found = people(survey.faces)
        person = main_person(folder.source, found, len(survey.faces))
        boxes = np.array([box for box, _ in person.boxes.values()])
        framing = choose_square(boxes, facts.width, facts.height, params.above, params.below, params.sides)
        count = output_frames(survey.times, survey.last_duration, params.fps)
        origin = survey.times[0]
        samples = decode_sound(folder.source, origin, sound_samples(count, params.fps, SAMPLE_RATE))
        if abs(len(samples) / SAMPLE_RATE - count / params.fps) >= 1 / params.fps:
            raise StageFailed(
                f"the sound is {len(samples) / SAMPLE_RATE:.3f} s and the video {count / params.fps:.3f} s: unequal"
            )
        shown = _encode(folder, source, params, framing, count, origin)
    scale = params.size / (framing.box[2] - framing.box[0])
    instants = origin + np.arange(count) / params.fps
    box, confidence = boxes_at(instants, np.array(survey.looked_at), person)
    box = (box - [framing.box[0], framing.box[1]] * 2) * scale
    header = _header(params, survey, found, framing) | {"source": {**asdict(facts), "frames": len(survey.times)}}
    header["treatments"] = treatments(facts)
    frame = np.arange(count, dtype=np.int64)
    table = FrameTable(frame, frame / params.fps, shown, box, confidence, header)
    write_audio(folder.audio, samples)
    write_frames(folder.frames, table)
    return table


def survey_source(source: SourceVideo, params: CropParams) -> Survey:
    """First pass: the time of every picture, the faces in about ``detection_fps`` pictures a second.

    Raises BadInput where the clock says that the video is longer than ``MAX_SECONDS`` or stands still for
    ``MAX_HOLD``: a damaged clock would make hours of one picture.
    """
    facts = source.facts
    scale = min(1.0, LONG_SIDE / max(facts.width, facts.height))
    upright = Upright(facts, (max(2, round(facts.width * scale)), max(2, round(facts.height * scale))))
    survey = Survey([], None, [], [])
    due = -np.inf
    expected = round(facts.duration * facts.fps) or None
    bar = tqdm(source.frames(), "crop: looking", expected, unit="frame", mininterval=2.0)
    with _Lookers() as lookers:
        for time, frame in bar:
            _check_clock(source.path, survey.times, time)
            survey.times.append(time)
            survey.last_duration = float(frame.duration * frame.time_base) if frame.duration else None
            if time < due:
                continue
            due = time + 1 / params.detection_fps - 1e-6
            survey.looked_at.append(time)
            lookers.look_at(upright(frame))
        found = lookers.finish()
    survey.faces = [[(scaled(face.box, 1 / scale), face.confidence) for face in faces] for faces in found]
    survey.detector = lookers.name
    if survey.last_duration is not None and survey.last_duration > MAX_HOLD:
        survey.last_duration = None
    return survey


class _Lookers:
    """Face detectors, one a thread, that look at pictures while more of them are decoded."""

    def __init__(self, workers: int = 2, pending: int = 8) -> None:
        self._free: Queue[FaceDetector] = Queue()
        self._detectors = [FaceDetector(far=True) for _ in range(workers)]
        for detector in self._detectors:
            self._free.put(detector)
        self.name = self._detectors[0].name
        self._pool = ThreadPoolExecutor(workers)
        self._room = BoundedSemaphore(pending)
        self._found: list[Future[list[Face]]] = []

    def look_at(self, picture: np.ndarray) -> None:
        """Take a picture uint8 RGB; waits where too many are waiting."""
        self._room.acquire()
        self._found.append(self._pool.submit(self._look, picture))

    def finish(self) -> list[list[Face]]:
        """The faces in every picture, in the order given."""
        return [future.result() for future in self._found]

    def _look(self, picture: np.ndarray) -> list[Face]:
        detector = self._free.get()
        try:
            return detector(picture)
        finally:
            self._free.put(detector)
            self._room.release()

    def __enter__(self) -> "_Lookers":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for detector in self._detectors:
            detector.close()


def _check_clock(path: Path, times: list[float], time: float) -> None:
    if not times:
        return
    if time - times[0] > MAX_SECONDS:
        raise BadInput(
            f"{path}: its pictures go on for more than {MAX_SECONDS / 3600:.0f} hour: cut out 1 to 5 minutes in which "
            "the person speaks"
        )
    if time - times[-1] > MAX_HOLD:
        raise BadInput(
            f"{path}: no picture for {time - times[-1]:.0f} s, {times[-1] - times[0]:.0f} s after the start: the file "
            "is damaged, or no video of a speaking person: cut out the part before or after"
        )


def _encode(
    folder: SubjectFolder, source: SourceVideo, params: CropParams, framing: Framing, count: int, origin: float
) -> np.ndarray:
    """Second pass: write the video; returns the source time of every frame, float64 [count]."""
    shown = np.zeros(count, np.float64)
    upright = Upright(source.facts, (params.size, params.size), framing.box, "yuv420p")
    with (
        VideoWriter(folder.video, params.fps, params.crf, preset="veryfast", to_be_read=True) as video,
        tqdm(total=count, desc="crop: cutting", unit="frame", mininterval=2.0) as bar,
    ):

        def cut() -> Iterator[tuple[int, float, Any]]:
            held: tuple[float, Any] | None = None  # a picture that is shown more than once is converted once
            for k, time, frame in resample_frames(source.frames(), params.fps, count):
                if held is None or held[0] != time:
                    held = (time, upright.frame(frame))
                yield k, time, held[1]

        with ahead(cut()) as pictures:
            for k, time, picture in pictures:
                video.write_frame(picture)
                shown[k] = time
                bar.update()
    if video.frames != count:
        raise StageFailed(f"{video.frames} frames were cut where {count} were due: did the source change meanwhile?")
    return shown


def _header(params: CropParams, survey: Survey, found: list[Person], framing: Framing) -> dict[str, Any]:
    others = {look for person in found[1:] for look in person.boxes}
    return {
        "fps": params.fps,
        "image_size": params.size,
        "crop_box": list(framing.box),
        "scale": params.size / (framing.box[2] - framing.box[0]),
        "padding": [0, 0, 0, 0],  # the square never leaves the picture
        "margins_in_face_heights": framing.margins,
        "margins_short_of": list(framing.short_of),
        "face_height": round(framing.face_height, 2),
        "face_union": [round(value, 1) for value in framing.union],
        "faces_seen": [len(found[0].boxes), len(survey.faces)],
        "other_faces_seen": len(others),
        "time_origin": survey.times[0],
        "detector": survey.detector,
    }


if __name__ == "__main__":
    raise SystemExit(main("crop", CropParams, run))
