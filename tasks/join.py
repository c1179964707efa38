"""Join the clips of one person in one style into one source video, with a pause between each two.

    python -m tasks.join --out OUT.mkv --clips CLIPS.json

CLIPS.json: [{"video": PATH, "sound": PATH or null}, ...].  Prints JSON: {"clips": where each lies, "damaged": {name:
why}}.
In a pause there is neither face nor sound, for longer than the tracker fills in: track, training runs and windows end
there by themselves.  Clips that cannot be decoded are left out; nothing is written where none can.
"""

import argparse
import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tasks.artifacts.atomic import atomic_path
from tasks.artifacts.audio import SAMPLE_RATE
from tasks.artifacts.subject import Clip
from tasks.command_line import exit_status
from tasks.errors import BadInput
from tasks.ingest.media import decode_sound
from tasks.ingest.source import SourceVideo
from tasks.registry import sha256_of

PAUSE = 0.44  # seconds: 10 or 11 frames at 25 a second, more than track.longest_gap
PAUSE_STEP = 0.04  # seconds between the pictures of a pause
LEAST = 0.5  # seconds of a clip that is worth joining
CLOCK = 90000
GREY = 128
MOST = 3000.0  # seconds of a joined video


@dataclass(frozen=True)
class Part:
    """A clip as it is asked for.  sound: the file with its voice; None: the video itself."""

    video: Path
    sound: Path | None = None


@dataclass(frozen=True)
class _Measured:
    part: Part
    size: tuple[int, int]
    seconds: float


def join(parts: list[Part], out: Path) -> tuple[list[Clip], dict[str, str]]:
    """Write ``out`` (Matroska, H.264, 16 kHz mono PCM); returns the clips with their places, and why others were left
    out, by name.  Raises BadInput where no clip can be used."""
    damaged: dict[str, str] = {}
    good: list[_Measured] = []
    for part in parts:
        try:
            found = _measure(part)
            if good and found.size != good[0].size:
                width, height = good[0].size
                raise BadInput(f"its picture is {found.size[0]}x{found.size[1]}, that of the others {width}x{height}")
            if sum(one.seconds + PAUSE for one in good) + found.seconds > MOST:
                raise BadInput(f"the joined video would be longer than {MOST:g} s")
            good.append(found)
        except BadInput as error:
            damaged[part.video.name] = str(error)
    if not good:
        raise BadInput(f"none of {len(parts)} clips can be used: {next(iter(damaged.values()), 'none was given')}")
    with atomic_path(out) as temporary:
        clips = _write(good, temporary)
    return clips, damaged


def _measure(part: Part) -> _Measured:
    """Decode a clip once, to its end.  Raises BadInput where that is not possible."""
    with SourceVideo(part.video) as source:
        facts = source.facts
        if facts.rotation or facts.sample_aspect != 1.0:
            raise BadInput(f"{part.video}: a turned picture, or pixels that are not square, cannot be joined")
        if facts.width % 2 or facts.height % 2:
            raise BadInput(f"{part.video}: the picture has an odd size, {facts.width}x{facts.height}")
        times = [time for time, _ in source.frames()]
    seconds = times[-1] - times[0] + 1 / facts.fps if times else 0.0
    if seconds < LEAST:
        raise BadInput(f"{part.video}: {seconds:.2f} s can be decoded, at least {LEAST} s are needed")
    if facts.duration and seconds < 0.9 * facts.duration:
        raise BadInput(f"{part.video}: only {seconds:.1f} of {facts.duration:.1f} s can be decoded: it is damaged")
    with contextlib.redirect_stderr(io.StringIO()):
        decode_sound(part.sound or part.video, samples=SAMPLE_RATE)
    return _Measured(part, (facts.width, facts.height), seconds)


def _write(good: list[_Measured], path: Path) -> list[Clip]:
    clips = []
    width, height = good[0].size
    with av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"}) as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = video.time_base = Fraction(1, CLOCK)
        # Key frames at the beginnings of clips and nowhere near a pause: a look at a few key frames sees no grey.
        video.options = {"preset": "veryfast", "crf": "14", "g": "100000", "sc_threshold": "0"}
        sound = out.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        start = 0.0
        for place, one in enumerate(good):
            if place:
                for time, frame in _pause(start - PAUSE, width, height):
                    _show(out, video, frame, time, False)
            _sound(out, sound, one, start, PAUSE if place + 1 < len(good) else 0.0)
            for count, (time, frame) in enumerate(_frames(one.part.video)):
                _show(out, video, frame.reformat(format="yuv420p"), start + time, count == 0)
            name = one.part.video.name
            clip = Clip(
                name=name, sha256=sha256_of(one.part.video), start=round(start, 3), seconds=round(one.seconds, 3)
            )
            clips.append(clip)
            start += one.seconds + PAUSE
        out.mux(video.encode(None))
        out.mux(sound.encode(None))
    return clips


def _frames(path: Path) -> Iterator[tuple[float, Any]]:
    """(seconds after the first, frame)."""
    with SourceVideo(path) as source:
        first = last = None
        for time, frame in source.frames():
            first = time if first is None else first
            if last is None or time > last:
                last = time
                yield time - first, frame


def _pause(start: float, width: int, height: int) -> Iterator[tuple[float, Any]]:
    grey = np.full((height, width, 3), GREY, np.uint8)
    for step in range(round(PAUSE / PAUSE_STEP)):
        yield start + step * PAUSE_STEP, av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format="yuv420p")


def _show(out: Any, video: Any, frame: Any, time: float, key: bool) -> None:
    frame.pts, frame.time_base = round(time * CLOCK), Fraction(1, CLOCK)
    frame.pict_type = av.video.frame.PictureType.I if key else av.video.frame.PictureType.NONE
    out.mux(video.encode(frame))


def _sound(out: Any, stream: Any, one: _Measured, start: float, silence: float) -> None:
    """The voice of a clip, cut or filled to its pictures, and ``silence`` seconds; exact, however many clips."""
    first, end = round(start * SAMPLE_RATE), round((start + one.seconds) * SAMPLE_RATE)
    samples = decode_sound(one.part.sound or one.part.video, samples=end - first)
    total = round((start + one.seconds + silence) * SAMPLE_RATE) - first
    samples = np.concatenate([samples, np.zeros(total - len(samples), np.float32)])
    pcm = np.round(samples * 32767).astype("<i2")[None]
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, first, Fraction(1, SAMPLE_RATE)
    out.mux(stream.encode(frame))


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks.join", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="video to write")
    parser.add_argument("--clips", type=Path, required=True, help="JSON list of clips")
    arguments = parser.parse_args(argv)

    def work() -> None:
        listed = json.loads(arguments.clips.read_text(encoding="utf-8"))
        parts = [Part(Path(item["video"]), Path(item["sound"]) if item["sound"] else None) for item in listed]
        clips, damaged = join(parts, arguments.out)
        print(json.dumps({"clips": [clip.model_dump() for clip in clips], "damaged": damaged}))

    return exit_status("join", work)


if __name__ == "__main__":
    raise SystemExit(main())
