"""Can this video become a subject?  Looks at headers and a few sampled pictures, in seconds.

    python -m tasks.intake VIDEO [--json]

``inspect`` returns what the source is, or raises BadInput with the one reason why it cannot be used.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from models.detection.face_detector import Face, FaceDetector
from tasks.errors import BadInput
from tasks.ingest.facts import StreamFacts, treatments
from tasks.ingest.media import decode_sound
from tasks.ingest.source import SourceVideo
from tasks.ingest.upright import Upright

SAMPLES = 20
LONG_SIDE = 640  # pixels the sampled pictures are shrunk to before faces are looked for
UNSOUGHT = 120.0  # seconds from the start that are looked at where the file cannot be sought in
MIN_SECONDS = 3.0
MAX_SECONDS = 3600.0
MIN_FPS = 10.0
MIN_SIDE = 128  # pixels of the picture's short side
MIN_FACE = 64.0  # pixels of the source: below, eyes and lips are a handful of pixels
MIN_FACE_SHARE = 0.5  # of the sampled pictures


@dataclass(frozen=True)
class SourceFacts:
    """What a source video is, as far as its headers and a few pictures tell.

    streams: codecs, size, rates (see StreamFacts).  duration: seconds.  sampled: pictures looked at;
    with_face: those with a face; several_faces: those with more than one.  face_height: median, pixels of
    the upright source picture.  loudness: RMS of the sound's first half minute in dBFS.
    """

    streams: StreamFacts
    duration: float
    sampled: int
    with_face: int
    several_faces: int
    face_height: float
    loudness: float


def inspect(path: Path) -> SourceFacts:
    """Describe a source video.  Raises BadInput, in one line, with the first thing that makes it unusable."""
    path = Path(path)
    with SourceVideo(path) as source:
        facts = source.facts
        if facts.audio_codec is None:
            raise BadInput(f"{path} has no audio stream: the voice is needed to learn how this person speaks")
        if min(facts.width, facts.height) < MIN_SIDE:
            raise BadInput(
                f"{path}: the picture is {facts.width}x{facts.height}, too small: at least {MIN_SIDE} pixels a side"
            )
        if facts.fps < MIN_FPS:
            raise BadInput(f"{path} has {facts.fps:.1f} frames a second: at least {MIN_FPS:.0f} are needed for lips")
        duration = facts.duration or _measured_duration(source)
        if duration < MIN_SECONDS:
            raise BadInput(
                f"{path} is {duration:.1f} s long, at least {MIN_SECONDS:.0f} s are needed (1 to 5 minutes are good)"
            )
        if duration > MAX_SECONDS:
            raise BadInput(
                f"{path} says it is {duration / 3600:.1f} hours long, at most {MAX_SECONDS / 3600:.0f} is accepted: "
                "cut out 1 to 5 minutes in which the person speaks"
            )
        sampled, faces, several = _sample_faces(source, duration)
    if not sampled:
        raise BadInput(f"{path}: no picture could be decoded at any of {SAMPLES} places: the file is damaged")
    if not faces:
        raise BadInput(f"{path}: no face was found in {sampled} sampled pictures: one face must be seen throughout")
    if len(faces) < MIN_FACE_SHARE * sampled:
        raise BadInput(
            f"{path}: a face was found in only {len(faces)} of {sampled} sampled pictures: cut the video to the part "
            "in which the face is seen"
        )
    height = float(np.median([face.height for face in faces]))
    if height < MIN_FACE:
        raise BadInput(
            f"{path}: the face is {height:.0f} pixels high, at least {MIN_FACE:.0f} are needed: film closer or larger"
        )
    sound = decode_sound(path, samples=30 * 16000)
    power = float(np.mean(np.square(sound[: round(min(30.0, duration) * 16000)], dtype=np.float64)))
    if power < 1e-10:
        raise BadInput(f"{path}: the sound is silent: the voice is needed to learn how this person speaks")
    return SourceFacts(facts, duration, sampled, len(faces), several, height, 10 * float(np.log10(power)))


def _sample_faces(source: SourceVideo, duration: float) -> tuple[int, list[Face], int]:
    """Look at SAMPLES pictures spread over the clip; returns how many decoded, the main faces, how many had more."""
    facts = source.facts
    scale = min(1.0, LONG_SIDE / max(facts.width, facts.height))
    size = (max(2, round(facts.width * scale)), max(2, round(facts.height * scale)))
    upright = Upright(facts, size)
    sampled, several = 0, 0
    faces: list[Face] = []
    with FaceDetector(far=True) as detect:
        for frame in tqdm(_spread(source, duration), "intake: looking", SAMPLES, unit="picture", delay=3, leave=False):
            sampled += 1
            found = detect(upright(frame))
            if found:
                several += len(found) > 1
                box = tuple(value / scale for value in found[0].box)
                faces.append(Face(box, found[0].confidence))  # type: ignore[arg-type]
    return sampled, faces, several


def _spread(source: SourceVideo, duration: float) -> Iterator[Any]:
    """SAMPLES pictures spread over the clip; in a file that cannot be sought in, over its first minutes."""
    instants = (np.arange(SAMPLES) + 0.5) / SAMPLES * duration
    found = 0
    for seconds in instants:
        frame = source.frame_near(float(seconds))
        if frame is not None:
            found += 1
            yield frame
    if found >= SAMPLES / 2:
        return
    step = min(duration, UNSOUGHT) / SAMPLES
    due = source.facts.video_start + step / 2
    for time, frame in source.frames():
        if found >= SAMPLES or time - source.facts.video_start > UNSOUGHT:
            return
        if time >= due:
            due, found = due + step, found + 1
            yield frame


def _measured_duration(source: SourceVideo) -> float:
    """Seconds from first to last picture, by decoding: for containers whose header does not say."""
    first, last = None, 0.0
    for time, _ in tqdm(source.frames(), "intake: no length in the header", unit="frame", delay=3.0, leave=False):
        first = time if first is None else first
        last = time
        if last - first > MAX_SECONDS:
            break
    return last - first + 1 / source.facts.fps if first is not None else 0.0


def main(argv: list[str] | None = None) -> int:
    """Command line of this module; exit status 0 usable, 2 refused."""
    parser = argparse.ArgumentParser(prog="python -m tasks.intake", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    arguments = parser.parse_args(argv)
    try:
        facts = inspect(arguments.video)
    except BadInput as error:
        print(f"intake: error: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(asdict(facts), indent=2))
    else:
        streams = facts.streams
        print(
            f"{arguments.video}: {streams.width}x{streams.height}, {streams.fps:.2f} frames/s, {facts.duration:.1f} s, "
            f"{streams.video_codec} and {streams.audio_codec} {streams.audio_rate} Hz; face in {facts.with_face} of "
            f"{facts.sampled} sampled pictures, {facts.face_height:.0f} px high"
        )
        for said in treatments(streams):
            print(f"  will be treated: {said}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
