"""crop: from any source video to a square 25 fps video of head and shoulders with 16 kHz sound, and a table.

Two passes over the source.  The first notes when every picture is shown and finds the face at about 5 pictures a
second on shrunken pictures; from that follow the number of frames and one static square for the whole clip.  The
second cuts, scales and encodes, and looks for the face in every frame of the result.  Nothing but one frame and
the sound is held in memory.

Time: output frame k shows the source at (time of its first picture) + k / fps; the sound starts at that same time
and is cut or padded to exactly the video's length.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from models.detection.face_detector import FaceDetector
from tasks.artifacts.audio import SAMPLE_RATE, write_audio
from tasks.artifacts.frames import FrameTable, write_frames
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.video import VideoWriter
from tasks.errors import BadInput, MissingInput, StageFailed
from tasks.ingest.framing import Framing, choose_square
from tasks.ingest.media import decode_sound
from tasks.ingest.source import SourceVideo, Upright
from tasks.ingest.timing import output_frames, resample_frames, sound_samples
from tasks.stage import main

LONG_SIDE = 640  # pixels of the shrunken pictures of the first pass


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
    faces: float64 [M, 4], main face of every picture with one, pixels of the upright source.
    looked_at: pictures in which a face was looked for.
    """

    times: list[float]
    last_duration: float | None
    faces: np.ndarray
    looked_at: int


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
        survey = survey_source(source, params)
        if not len(survey.faces):
            raise BadInput(f"{folder.source}: no face was found in {survey.looked_at} pictures: one must be seen")
        framing = choose_square(survey.faces, facts.width, facts.height, params.above, params.below, params.sides)
        count = output_frames(survey.times, survey.last_duration, params.fps)
        origin = survey.times[0]
        samples = decode_sound(folder.source, origin, sound_samples(count, params.fps, SAMPLE_RATE))
        if abs(len(samples) / SAMPLE_RATE - count / params.fps) >= 1 / params.fps:
            raise StageFailed(
                f"the sound is {len(samples) / SAMPLE_RATE:.3f} s and the video {count / params.fps:.3f} s: unequal"
            )
        table = _encode(folder, source, params, framing, count, origin)
    table.header["source"] = {**asdict(facts), "frames": len(survey.times)}
    table.header["faces_seen"] = [len(survey.faces), survey.looked_at]
    write_audio(folder.audio, samples)
    write_frames(folder.frames, table)
    return table


def survey_source(source: SourceVideo, params: CropParams) -> Survey:
    """First pass: the time of every picture, the main face of about ``detection_fps`` pictures a second."""
    facts = source.facts
    scale = min(1.0, LONG_SIDE / max(facts.width, facts.height))
    upright = Upright(facts, (max(2, round(facts.width * scale)), max(2, round(facts.height * scale))))
    times: list[float] = []
    faces: list[tuple[float, float, float, float]] = []
    looked_at, due, duration = 0, -np.inf, None
    expected = round(facts.duration * facts.fps) or None
    bar = tqdm(source.frames(), "crop: looking", expected, unit="frame", mininterval=2.0)
    with FaceDetector(far=True) as detect:
        for time, frame in bar:
            times.append(time)
            duration = float(frame.duration * frame.time_base) if frame.duration else None
            if time < due:
                continue
            due = time + 1 / params.detection_fps - 1e-6
            looked_at += 1
            found = detect(upright(frame))
            if found:
                faces.append(found[0].box)
    return Survey(times, duration, np.array(faces, np.float64).reshape(-1, 4) / scale, looked_at)


def _encode(
    folder: SubjectFolder, source: SourceVideo, params: CropParams, framing: Framing, count: int, origin: float
) -> FrameTable:
    """Second pass: write the video, look at every frame of it for the face, return the table."""
    size = params.size
    shown = np.zeros(count, np.float64)
    boxes = np.full((count, 4), np.nan, np.float32)
    confidence = np.zeros(count, np.float32)
    upright = Upright(source.facts, (size, size), framing.box)
    with (
        FaceDetector(far=False) as detect,
        VideoWriter(folder.video, params.fps, params.crf, preset="veryfast") as video,
        tqdm(total=count, desc="crop: cutting", unit="frame", mininterval=2.0) as bar,
    ):
        for k, time, picture in _pictures(source, upright, params.fps, count):
            video.write(picture)
            shown[k] = time
            found = detect(picture)
            if found:
                boxes[k], confidence[k] = found[0].box, found[0].confidence
            bar.update()
        detector = detect.name
    if video.frames != count:
        raise StageFailed(f"{video.frames} frames were cut where {count} were due: did the source change meanwhile?")
    header: dict[str, Any] = {
        "fps": params.fps,
        "image_size": size,
        "crop_box": list(framing.box),
        "scale": size / (framing.box[2] - framing.box[0]),
        "padding": [0, 0, 0, 0],  # the square never leaves the picture
        "margins_in_face_heights": framing.margins,
        "margins_short_of": list(framing.short_of),
        "face_height": round(framing.face_height, 2),
        "time_origin": origin,
        "detector": detector,
    }
    frame = np.arange(count, dtype=np.int64)
    return FrameTable(frame, frame / params.fps, shown, boxes, confidence, header)


def _pictures(source: SourceVideo, upright: Upright, fps: float, count: int) -> Iterator[tuple[int, float, np.ndarray]]:
    """(output id, source time, RGB picture) of every output frame; a held picture is converted once."""
    held: tuple[float, np.ndarray] | None = None
    for k, time, frame in resample_frames(source.frames(), fps, count):
        if held is None or held[0] != time:
            held = (time, upright(frame))
        yield k, time, held[1]


if __name__ == "__main__":
    raise SystemExit(main("crop", CropParams, run))
