"""Source videos as people have them: opened, described, decoded by timestamp, converted to upright RGB.

Everything that can be wrong with a file is a BadInput of one line.  Memory is bounded whatever the header says:
pictures above MAX_PIXELS are refused before a decoder allocates them, and one frame is held at a time.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from tasks.errors import BadInput

MAX_PIXELS = 40_000_000  # 8K is 33 million
SLICE_THREADING_FROM = 9_000_000  # pixels: above 4K one frame a thread costs too much memory
THREADS = 2


@dataclass(frozen=True)
class StreamFacts:
    """What the headers and the first frame say.

    width, height: pixels of the upright picture with square pixels.  fps: average rate.  duration: seconds, by
    the header (0: it does not say).  rotation: degrees the coded picture must be turned clockwise.
    sample_aspect: width of a coded pixel over its height.  Sound fields are None where there is no sound.
    """

    container: str
    video_codec: str
    width: int
    height: int
    fps: float
    duration: float
    rotation: int
    sample_aspect: float
    video_start: float
    pixel_format: str
    audio_codec: str | None
    audio_rate: int | None
    audio_channels: int | None
    audio_streams: int


def open_container(path: Path) -> Any:
    """Open a media file for reading; BadInput where there is none or it is not media."""
    path = Path(path)
    if not path.exists():
        raise BadInput(f"{path} does not exist: give the path of a video or sound file")
    if path.is_dir():
        raise BadInput(f"{path} is a folder: give the path of a video or sound file")
    if not path.is_file():
        raise BadInput(f"{path} is not a regular file: give the path of a video or sound file")
    if path.stat().st_size == 0:
        raise BadInput(f"{path} is empty: the upload or copy may have failed")
    try:
        # file: keeps a name with a colon from being taken for a URL; metadata may be in any encoding.
        return av.open(f"file:{path}", metadata_errors="replace", options={"protocol_whitelist": "file"})
    except PermissionError:
        raise BadInput(f"{path} cannot be read: permission denied") from None
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise BadInput(f"{path} is not a media file that can be read: {_reason(error)}") from None


class SourceVideo:
    """A source video, open for reading.  Use as a context manager.

    Raises BadInput from the constructor where the file is not a readable video with a video stream.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self._container = open_container(self.path)
        try:
            self._stream = self._video_stream()
            self.facts = self._describe()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> "SourceVideo":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Yield (seconds, av.VideoFrame) from the start, in order of presentation.

        Damaged packets are skipped.  A frame without a timestamp follows its predecessor by one nominal period.
        """
        self._rewind()
        previous = None
        for frame in self._decode():
            if frame.pts is None:
                time = self.facts.video_start if previous is None else previous + 1 / self.facts.fps
            else:
                time = float(frame.pts * frame.time_base)
            if previous is not None and time <= previous:
                continue
            previous = time
            yield time, frame

    def frame_near(self, seconds: float) -> Any | None:
        """The first frame at or after the key frame before ``seconds`` after the start; None where none decodes."""
        target = int((self.facts.video_start + seconds) / self._stream.time_base)
        try:
            self._container.seek(target, stream=self._stream, backward=True)
            return next(self._decode(), None)
        except av.error.FFmpegError:
            return None

    def _rewind(self) -> None:
        # Some containers cannot seek to before their first timestamp; reopening always works.
        self._container.close()
        self._container = open_container(self.path)
        self._stream = self._video_stream()

    def _decode(self) -> Iterator[Any]:
        for packet in self._packets():
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                continue  # one damaged packet does not end the video

    def _packets(self) -> Iterator[Any]:
        try:
            yield from self._container.demux(self._stream)
        except av.error.FFmpegError:
            return  # truncated: what came before still counts

    def _video_stream(self) -> Any:
        streams = [s for s in self._container.streams.video if not s.disposition & s.disposition.attached_pic]
        if not streams:
            kinds = {s.type for s in self._container.streams}
            found = "only sound" if "audio" in kinds else "no pictures"
            raise BadInput(f"{self.path} has no video stream ({found}): give a video of a speaking person")
        stream = streams[0]
        context = stream.codec_context
        if context is None:
            raise BadInput(f"{self.path}: the video's codec is not supported: convert the video to H.264")
        width, height = context.width, context.height
        if width < 16 or height < 16:
            raise BadInput(f"{self.path}: the picture is {width}x{height}: not a usable video")
        if width * height > MAX_PIXELS:
            raise BadInput(
                f"{self.path}: the picture is {width}x{height}, above {MAX_PIXELS // 10**6} megapixels: scale it down"
            )
        context.options = {"max_pixels": str(MAX_PIXELS)}  # the stream itself may disagree with the header
        context.thread_count = THREADS
        context.thread_type = "SLICE" if width * height > SLICE_THREADING_FROM else "AUTO"
        return stream

    def _describe(self) -> StreamFacts:
        stream, container = self._stream, self._container
        frame = next(self._decode(), None)
        if frame is None:
            raise BadInput(f"{self.path}: no picture could be decoded from the {stream.codec_context.name} stream")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        aspect = float(stream.sample_aspect_ratio or 1) or 1.0
        if not 0.1 < aspect < 10:
            aspect = 1.0
        rotation = -round(frame.rotation / 90) * 90 % 360
        width, height = round(frame.width * aspect), frame.height
        if rotation in (90, 270):
            width, height = height, width
        sound = container.streams.best("audio")
        audio = sound.codec_context if sound is not None else None
        start = frame.pts * frame.time_base if frame.pts is not None else 0
        return StreamFacts(
            container=container.format.name,
            video_codec=stream.codec_context.name,
            width=width,
            height=height,
            fps=float(rate),
            duration=_duration(stream, container),
            rotation=rotation,
            sample_aspect=aspect,
            video_start=float(start),
            pixel_format=frame.format.name,
            audio_codec=audio.name if audio else None,
            audio_rate=audio.sample_rate if audio else None,
            audio_channels=audio.layout.nb_channels if audio else None,
            audio_streams=len(container.streams.audio),
        )


class Upright:
    """Converts decoded frames to upright RGB: rotation undone, pixels made square, cut, scaled.

    box: x0, y0, x1, y1 of the part to keep, pixels of the upright picture (None: all of it); even numbers.
    size: width, height of the result.  The scaling averages areas, so that shrinking does not alias.
    """

    def __init__(self, facts: StreamFacts, size: tuple[int, int], box: tuple[int, int, int, int] | None = None):
        self._facts, self._size, self._box = facts, size, box
        self._graph: Any = None
        self._key: tuple[Any, ...] = ()

    def __call__(self, frame: Any) -> np.ndarray:
        """uint8 RGB [height, width, 3] of one frame."""
        key = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        if key != self._key:
            self._graph, self._key = self._build(frame), key
        frame.pts = None
        self._graph.push(frame)
        return self._graph.pull().to_ndarray(format="rgb24")

    def _build(self, frame: Any) -> Any:
        facts = self._facts
        graph = av.filter.Graph()
        chain = [graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
        )]  # fmt: skip
        turned = facts.rotation in (90, 270)
        coded = (facts.height, facts.width) if turned else (facts.width, facts.height)
        if (frame.width, frame.height) != coded:  # non-square pixels, or a stream that changes its size
            chain.append(graph.add("scale", f"w={coded[0]}:h={coded[1]}:flags=area"))
        if facts.rotation == 180:
            chain += [graph.add("hflip"), graph.add("vflip")]
        elif turned:
            chain.append(graph.add("transpose", "clock" if facts.rotation == 90 else "cclock"))
        if self._box is not None:
            x0, y0, x1, y1 = self._box
            chain.append(graph.add("crop", f"w={x1 - x0}:h={y1 - y0}:x={x0}:y={y0}"))
        matrix, full = _colour(frame)
        chain.append(
            graph.add(
                "scale",
                f"w={self._size[0]}:h={self._size[1]}:flags=area+accurate_rnd+full_chroma_int"
                f":in_color_matrix={matrix}:in_range={'full' if full else 'limited'}",
            )
        )
        chain.append(graph.add("format", "pix_fmts=rgb24"))
        chain.append(graph.add("buffersink"))
        for first, second in itertools.pairwise(chain):
            first.link_to(second)
        graph.configure()
        return graph


def _colour(frame: Any) -> tuple[str, bool]:
    """Name of the YUV matrix and whether the range is full; untagged pictures follow the usual convention."""
    space = frame.colorspace
    if space == Colorspace.ITU709:
        matrix = "bt709"
    elif space in (9, 10):  # BT.2020, which this enumeration does not name
        matrix = "bt2020"
    elif space in (Colorspace.ITU601, Colorspace.ITU624, Colorspace.SMPTE170M, Colorspace.FCC):
        matrix = "bt601"
    else:
        matrix = "bt709" if min(frame.width, frame.height) >= 720 else "bt601"
    return matrix, frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def _duration(stream: Any, container: Any) -> float:
    """Seconds, by the stream's header or else the container's; 0 where neither says."""
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration:
        seconds = container.duration / 1e6
    else:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]
