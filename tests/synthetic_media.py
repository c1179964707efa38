"""Small media files made for tests: chosen clock, rotation and codecs, flashes in the picture, clicks in the sound."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CLOCK = 90000
FLASH_SECONDS = 0.1
Painter = Callable[[float], np.ndarray]


def constant_times(seconds: float, fps: float) -> list[float]:
    """Times of a constant-rate video."""
    return [k / fps for k in range(round(seconds * fps))]


def flashing(picture: np.ndarray, flashes: Sequence[float]) -> Painter:
    """A still whose top tenth is white for FLASH_SECONDS from every time of ``flashes``, dark otherwise."""
    rows = max(1, len(picture) // 10)

    def paint(time: float) -> np.ndarray:
        out = picture.copy()
        out[:rows] = 255 if any(0 <= time - flash < FLASH_SECONDS - 1e-9 for flash in flashes) else 20
        return out

    return paint


def clicking(seconds: float, rate: int, clicks: Sequence[float], channels: int = 1) -> np.ndarray:
    """Sound float32 [channels, T]: faint noise, and a loud 20 ms burst from every time of ``clicks``."""
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.003, round(seconds * rate)).astype(np.float32)
    for click in clicks:
        start = round(click * rate)
        burst = sound[start : start + round(0.02 * rate)]
        burst += 0.8 * np.sin(2 * np.pi * 1000 * np.arange(len(burst)) / rate).astype(np.float32)
    return np.repeat(sound[None], channels, 0)


def write_clip(
    path: Path,
    paint: Painter,
    times: Sequence[float],
    sound: np.ndarray | None,
    rate: int = 48000,
    start: float = 0.0,
    sound_start: float | None = None,
    rotation: int = 0,
    codec: str = "libx264",
    audio_codec: str = "aac",
    container: str | None = None,
    options: dict[str, str] | None = None,
    clock: int = CLOCK,
) -> Path:
    """Write a clip whose frame i is ``paint(times[i])``, shown at ``start + times[i]`` seconds.

    sound float32 [channels, T] begins at ``sound_start`` (default: ``start``).  rotation: the display matrix's angle
    in degrees as players undo it (the picture is stored turned).  Times are kept on a
    clock of ``clock`` ticks a second (mpeg4 and avi need few).
    """
    height, width = paint(times[0]).shape[:2]
    with av.open(str(path), "w", format=container) as out:
        video = out.add_stream(codec, rate=round((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else 25)
        video.width, video.height = width, height
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        video.codec_context.time_base = Fraction(1, clock)
        video.time_base = Fraction(1, clock)
        video.options = options or ({"preset": "ultrafast", "crf": "12"} if codec == "libx264" else {})
        if rotation:
            video.set_display_rotation(rotation)
        audio = None
        if sound is not None:
            audio = out.add_stream(audio_codec, rate=rate, layout={1: "mono", 2: "stereo", 6: "5.1"}[len(sound)])
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(paint(time)), format="rgb24")
            frame.pts, frame.time_base = round((start + time) * clock), Fraction(1, clock)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio is not None:
            assert sound is not None
            offset = round((start if sound_start is None else sound_start) * rate)
            for first in range(0, sound.shape[1], 1024):
                block = np.ascontiguousarray(sound[:, first : first + 1024])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=audio.layout.name)
                frame.sample_rate, frame.pts, frame.time_base = rate, first + offset, Fraction(1, rate)
                out.mux(audio.encode(frame))
            out.mux(audio.encode(None))
    return path
