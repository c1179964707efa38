"""Source videos as people have them: opened, described, decoded by timestamp.

Everything that can be wrong with a file is a BadInput of one line.  Memory is bounded whatever the header says:
pictures above MAX_PIXELS are refused before a decoder allocates them, and one frame is held at a time.
"""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av

from tasks.errors import BadInput
from tasks.ingest.clock import dated
from tasks.ingest.colour import transfer_of
from tasks.ingest.deinterlace import deinterlaced
from tasks.ingest.facts import StreamFacts

MAX_PIXELS = 40_000_000  # 8K is 33 million
MAX_PICTURE = 110_000_000  # bytes: a decoder keeps up to some 16 pictures; 8K with 10 bits is 100 million
FIELD_ORDERS = (2, 3, 4, 5)  # of a codec's header: interlaced, whichever field comes first
# What cameras, phones and recorders write.  Playlists and picture sequences are not among them: they can name
# other files of this machine.
CONTAINERS = "aac,aiff,amr,asf,au,avi,caf,dv,flac,flv,matroska,mov,mp3,mpeg,mpegts,mxf,ogg,w64,wav,webm"
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
SLICE_THREADING_FROM = 9_000_000  # pixels: above 4K one frame a thread costs too much memory
THREADS = 2
# Seconds before a place at which decoding begins, one after the other until it is reached in time: in a transport
# stream one lands anywhere, and sees nothing before the next key frame.
SEEK_BACK = (0.0, 2.0, 10.0, math.inf)
EARLY = 0.02  # seconds: a frame this little before the one asked for is near enough


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
        return av.open(f"file:{path}", metadata_errors="replace", options=OPTIONS)
    except PermissionError:
        raise BadInput(f"{path} cannot be read: permission denied") from None
    except (av.error.FFmpegError, ValueError, OSError) as error:
        # FFmpeg says "invalid argument" where it knows the kind of file and the list above does not have it.
        unlisted = isinstance(error, av.error.ArgumentError)
        reason = "give mp4, mov, mkv, webm, avi or another usual container" if unlisted else _reason(error)
        raise BadInput(f"{path} is not a media file that can be read: {reason}") from None


def packets_of(container: Any, stream: Any) -> Iterator[Any]:
    """The packets of one stream from where the container stands; a file that ends early ends them.

    In a transport stream another stream may begin anywhere, or seem to where bytes are damaged: PyAV knows those of the
    beginning only, and stops at a packet of any other.  That packet is left out.
    """
    while True:
        try:
            yield from container.demux(stream)
            return
        except IndexError:
            continue
        except av.error.FFmpegError:
            return  # truncated: what came before still counts


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
        """Yield (seconds, av.VideoFrame) from the start, in order of presentation, deinterlaced where interlaced.

        Damaged packets are skipped.
        """
        self._rewind()
        for frame in deinterlaced(self._dated()):
            yield float(frame.pts * frame.time_base), frame

    def frame_near(self, seconds: float, patience: int = 24) -> Any | None:
        """A frame at or shortly before ``seconds`` after the start; None where none decodes.

        Decoding begins at the key frame before it and goes on for at most ``patience`` frames, so that a look at a few
        places costs little even where key frames are far apart.
        """
        target = self.facts.video_start + seconds
        found = None
        try:
            self._container.seek(int(target / self._stream.time_base), stream=self._stream, backward=True)
            for frame in itertools.islice(self._decode(), patience):
                found = frame
                if frame.pts is not None and frame.pts * frame.time_base >= target - EARLY:
                    break
        except av.error.FFmpegError:
            pass  # what was found before still counts
        return found

    def between(self, start: float, end: float) -> Iterator[tuple[float, Any]]:
        """As ``frames``, but from ``start`` to ``end`` seconds after the first picture, without decoding all before."""
        first = self.facts.video_start
        for back in SEEK_BACK:
            frames = self._from(first + start - back)
            head = next(frames, None)
            if back >= start or (head is not None and head[0] <= first + start + EARLY):
                break
        for time, frame in itertools.chain([head] if head else [], frames):
            if time >= first + end:
                return
            if time >= first + start:
                yield time, frame

    def _from(self, time: float) -> Iterator[tuple[float, Any]]:
        """(seconds, frame) from the key frame before ``time`` on, where the container knows it."""
        self._rewind()
        if time > self.facts.video_start:
            try:
                self._container.seek(int(time / self._stream.time_base), stream=self._stream, backward=True)
            except av.error.FFmpegError:
                self._rewind()
        for frame in deinterlaced(self._dated()):
            yield float(frame.pts * frame.time_base), frame

    def _rewind(self) -> None:
        # Some containers cannot seek to before their first timestamp; reopening always works.
        self._container.close()
        self._container = open_container(self.path)
        self._stream = self._video_stream()

    def _dated(self) -> Iterator[Any]:
        by_decoding = self._container.format.name == "avi"
        return dated(self._decode(), by_decoding, float(1 / _rate(self._stream)), lambda: self._first_packet)

    def _decode(self) -> Iterator[Any]:
        for packet in self._packets():
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                continue  # one damaged packet does not end the video

    def _packets(self) -> Iterator[Any]:
        self._first_packet: int | None = None
        for packet in packets_of(self._container, self._stream):
            self._first_packet = packet.dts if self._first_packet is None else self._first_packet
            yield packet

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
        layout = context.format
        if layout is not None and width * height * layout.padded_bits_per_pixel // 8 > MAX_PICTURE:
            raise BadInput(
                f"{self.path}: a picture of {width}x{height} as {layout.name} takes more than {MAX_PICTURE // 10**6} "
                "MB: scale it down, or convert it to 8 bits"
            )
        context.options = {"max_pixels": str(MAX_PIXELS)}  # the stream itself may disagree with the header
        context.thread_count = THREADS
        context.thread_type = "SLICE" if width * height > SLICE_THREADING_FROM else "AUTO"
        return stream

    def _describe(self) -> StreamFacts:
        stream, container = self._stream, self._container
        frame = next(self._dated(), None)
        if frame is None:
            raise BadInput(f"{self.path}: no picture could be decoded from the {stream.codec_context.name} stream")
        aspect = float(stream.sample_aspect_ratio or 1) or 1.0
        if not 0.1 < aspect < 10:
            aspect = 1.0
        rotation = -round(frame.rotation / 90) * 90 % 360
        width, height = round(frame.width * aspect), frame.height
        if rotation in (90, 270):
            width, height = height, width
        sound = sound_stream(container)
        audio = sound.codec_context if sound is not None else None
        return StreamFacts(
            container=container.format.name,
            video_codec=stream.codec_context.name,
            width=width,
            height=height,
            fps=float(_rate(stream)),
            duration=_duration(stream, container),
            rotation=rotation,
            sample_aspect=aspect,
            video_start=float(frame.pts * frame.time_base),
            pixel_format=frame.format.name,
            bits=max((component.bits for component in frame.format.components), default=8),
            transfer=transfer_of(frame),
            interlaced=bool(frame.interlaced_frame) or stream.codec_context.field_order in FIELD_ORDERS,
            audio_codec=audio.name if audio else None,
            audio_rate=audio.sample_rate if audio else None,
            audio_channels=audio.layout.nb_channels if audio else None,
            audio_streams=len(container.streams.audio),
            audio_track=[s.index for s in container.streams.audio].index(sound.index) + 1 if sound and audio else None,
            audio_language=_language(sound) if sound and audio else None,
        )


def sound_stream(container: Any) -> Any | None:
    """The sound track that is used: FFmpeg's choice, which heeds default flags, then prefers richer tracks."""
    return container.streams.best("audio")


def _rate(stream: Any) -> Fraction:
    """Frames a second by the header; 25 where it says nothing usable."""
    rate = stream.average_rate or stream.guessed_rate
    return Fraction(rate) if rate and rate > 0 else Fraction(25)


def _language(stream: Any) -> str | None:
    language = stream.language
    return language if language and language != "und" else None


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
