"""Sound of any media file as 16 kHz mono, placed by its timestamps."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from tqdm import tqdm

from tasks.artifacts.audio import SAMPLE_RATE
from tasks.errors import BadInput
from tasks.ingest.source import open_container, packets_of, sound_stream

MAX_SECONDS = 4 * 3600
GAP = 0.04  # seconds: smaller jumps of the sound's clock are rounding, larger ones are real gaps


def decode_sound(
    path: Path, origin: float | None = None, samples: int | None = None, rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Decode the default sound stream of an audio or video file: float32 [T] in -1..1, mono, 16 kHz unless ``rate``.

    origin: time on the file's clock, in seconds, that sample 0 stands for; None: the first video frame where
    there is a video, else the first sound.  Sound that starts later is preceded by silence, sound before it is
    cut, and gaps in the timestamps are silent, so the voice stays where the file puts it.
    samples: length of the result, cut or padded with silence; None: to the end of the sound.

    Raises BadInput where there is no file, no sound stream, or nothing that decodes.
    """
    with open_container(Path(path)) as container:
        stream = sound_stream(container)
        if stream is None or stream.codec_context is None:
            raise BadInput(f"{path} has no audio stream: give a file with the voice on it")
        if origin is None and any(not s.disposition & s.disposition.attached_pic for s in container.streams.video):
            origin = _first_picture(Path(path))
        pieces: deque[tuple[int, np.ndarray]] = deque()
        limit = MAX_SECONDS * rate if samples is None else samples
        expected = None if samples is None else samples // rate
        with tqdm(total=expected, desc="sound", unit="s", delay=3.0, mininterval=2.0) as bar:
            for start, block in _segments(container, stream, rate):
                origin = start if origin is None else origin
                first = round((start - origin) * rate)
                if first >= limit:
                    break
                pieces.append((first, block))
                bar.update(max(0, first // rate - bar.n))
    if not pieces:
        raise BadInput(f"{path}: no sound could be decoded from its audio stream: it is empty or damaged")
    length = max(first + len(block) for first, block in pieces)
    if samples is None and length > limit:
        raise BadInput(f"{path}: the sound is longer than {MAX_SECONDS // 3600} hours: cut it")
    out = np.zeros(max(0, length) if samples is None else samples, np.float32)
    while pieces:  # each is let go once it is in its place: hours of sound are not held twice
        first, block = pieces.popleft()
        begin, end = max(0, first), min(len(out), first + len(block))
        if begin < end:
            out[begin:end] = block[begin - first : end - first]
    return np.clip(out, -1.0, 1.0, out=out)


def _segments(container: Any, stream: Any, rate: int) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (start in seconds, float32 [T] at ``rate``) of every stretch of sound without a gap, in pieces."""
    resampler = None
    key: tuple[Any, ...] = ()
    start, count, clock = (
        0.0,
        0,
        0.0,
    )  # of the present stretch: its start, samples given out, its end on the file's clock
    for frame in _frames(container, stream):
        duration = frame.samples / frame.sample_rate
        time = float(frame.pts * frame.time_base) if frame.pts is not None else clock
        now = (frame.sample_rate, frame.layout.name, frame.format.name)
        if resampler is None or now != key or abs(time - clock) > GAP:
            if resampler is not None:
                yield from _give(resampler.resample(None), start, count, rate)
            # Integer output: towards float, FFmpeg's stereo-to-mono matrix keeps the power and lifts a voice in the
            # middle by 3 dB, past full scale where the recording is loud.
            resampler = av.AudioResampler("s32", "mono", rate)
            key, start, count = now, time, 0
        clock = time + duration
        frame.pts = None
        for piece in _give(resampler.resample(frame), start, count, rate):
            count += len(piece[1])
            yield piece
    if resampler is not None:
        yield from _give(resampler.resample(None), start, count, rate)


def _give(frames: list[Any], start: float, count: int, rate: int) -> Iterator[tuple[float, np.ndarray]]:
    for frame in frames:
        block = (frame.to_ndarray().reshape(-1) / 2**31).astype(np.float32)
        yield start + count / rate, block
        count += len(block)


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    for packet in packets_of(container, stream):
        try:
            for frame in packet.decode():
                if frame.samples and frame.sample_rate:
                    yield frame
        except av.error.FFmpegError:
            continue


def _first_picture(path: Path) -> float | None:
    from tasks.ingest.source import SourceVideo

    try:
        with SourceVideo(path) as source:
            return source.facts.video_start
    except BadInput:
        return None  # a broken picture does not stop the sound from being used alone
