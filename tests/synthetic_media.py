"""Small media files made for tests: chosen clock, rotation and codecs, flashes in the picture, clicks in the sound."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CLOCK = 90000
FLASH_SECONDS = 0.1
FASTEST = {
    "libx264": {"preset": "ultrafast", "crf": "12"},
    "libx265": {"preset": "ultrafast", "crf": "12", "x265-params": "log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "12", "b": "0"},
    "libsvtav1": {"preset": "13", "crf": "20"},
}
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
    pixels: str | None = None,
    colour: tuple[int, int, int, int] | None = None,
    aspect: float = 1.0,
    more_sounds: Sequence[np.ndarray] = (),
    default_sound: int | None = None,
    mux: dict[str, str] | None = None,
) -> Path:
    """Write a clip whose frame i is ``paint(times[i])``, shown at ``start + times[i]`` seconds.

    sound float32 [channels, T] begins at ``sound_start`` (default: ``start``).  rotation: the display matrix's angle
    in degrees as players undo it (the picture is stored turned).  Times are kept on a
    clock of ``clock`` ticks a second (mpeg4 and avi need few).
    pixels: pixel format.  colour: H.273 code points of matrix, range (1 limited, 2 full), transfer and primaries, as
    tags only.  aspect: width of a pixel over its height.  more_sounds: further tracks.
    default_sound: the track flagged as default, and no other.  mux: options of the container.
    """
    height, width = paint(times[0]).shape[:2]
    with av.open(str(path), "w", format=container, options=mux or {}) as out:
        video = out.add_stream(codec, rate=round((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else 25)
        video.width, video.height = width, height
        video.pix_fmt = pixels or ("yuvj420p" if codec == "mjpeg" else "yuv420p")
        video.codec_context.time_base = Fraction(1, clock)
        video.time_base = Fraction(1, clock)
        video.options = options or FASTEST.get(codec, {})
        if aspect != 1:
            video.codec_context.sample_aspect_ratio = Fraction(aspect).limit_denominator(100)
        if colour is not None:
            context = video.codec_context
            context.colorspace, context.color_range, context.color_trc, context.color_primaries = colour
        if rotation:
            video.set_display_rotation(rotation)
        sounds = [] if sound is None else [sound, *more_sounds]
        layouts = {1: "mono", 2: "stereo", 6: "5.1"}
        tracks = [out.add_stream(audio_codec, rate=rate, layout=layouts[len(given)]) for given in sounds]
        for number, track in enumerate(tracks):
            if default_sound is not None:
                track.disposition = av.stream.Disposition.default if number == default_sound else 0
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(paint(time)), format="rgb24")
            if colour is not None:
                frame.colorspace, frame.color_range, frame.color_trc, frame.color_primaries = colour
            frame.pts, frame.time_base = round((start + time) * clock), Fraction(1, clock)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        offset = round((start if sound_start is None else sound_start) * rate)
        for track, given in zip(tracks, sounds, strict=True):
            kind = track.codec_context.format.name
            step = track.codec_context.frame_size or 1024
            for first in range(0, given.shape[1], step):
                block = given[:, first : first + step]
                if kind.startswith("s16"):
                    block = np.round(block * 32767).astype("<i2")
                elif kind.startswith("s32"):
                    block = np.round(block * (2**31 - 128)).astype("<i4")
                if not kind.endswith("p"):
                    block = block.T.reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format=kind, layout=track.layout.name)
                frame.sample_rate, frame.pts, frame.time_base = rate, first + offset, Fraction(1, rate)
                out.mux(track.encode(frame))
            out.mux(track.encode(None))
    return path
