"""Video files: streaming decode and encode through PyAV.  Nothing here holds more than a frame at a time."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from tasks.artifacts.atomic import atomic_path
from tasks.errors import DamagedArtifact, MissingInput


def read_frames(path: Path, made_by: str = "the crop stage", first: int = 0) -> Iterator[np.ndarray]:
    """Yield the frames of a constant-rate project video in order as uint8 RGB [H, W, 3], from frame ``first`` on.

    For files that this project wrote; source videos with their quirks are read by the crop stage.
    """
    for _, rgb in _decode(path, made_by, None, first):
        yield rgb


def read_some_frames(
    path: Path, wanted: Collection[int], made_by: str = "the crop stage"
) -> Iterator[tuple[int, np.ndarray]]:
    """(frame id, uint8 RGB [H, W, 3]) of the wanted frames, in order; no other is converted, none after them read."""
    last = max(wanted, default=-1)
    chosen = frozenset(wanted)
    for index, rgb in _decode(path, made_by, chosen):
        yield index, rgb
        if index == last:
            return


def _decode(
    path: Path, made_by: str, wanted: frozenset[int] | None, first: int = 0
) -> Iterator[tuple[int, np.ndarray]]:
    if not Path(path).exists():
        raise MissingInput(Path(path), made_by)
    convert = VideoReformatter()  # one for all frames: setting it up costs more than a small picture's conversion
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DamagedArtifact(Path(path), "no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for index, frame in enumerate(container.decode(stream)) if first == 0 else _from(container, stream, first):
                if wanted is None or index in wanted:
                    yield index, convert.reformat(frame, format="rgb24").to_ndarray()
    except av.error.FFmpegError as error:
        raise DamagedArtifact(Path(path), str(error)) from error


def _from(container: Any, stream: Any, first: int) -> Iterator[tuple[int, Any]]:
    """(frame id, frame) from ``first`` on: decoding begins at the key frame before it.  Ids follow from the times."""
    fps, start = stream.average_rate, stream.start_time or 0
    container.seek(start + int(first / fps / stream.time_base), stream=stream, backward=True)
    for frame in container.decode(stream):
        index = round((frame.pts - start) * frame.time_base * fps)
        if index >= first:
            yield index, frame


def read_provenance(path: Path) -> dict[str, Any] | None:
    """The provenance record that VideoWriter put into the file, or None where there is none."""
    with av.open(str(path)) as container:
        said = {name.lower(): text for name, text in container.metadata.items()}  # WebM's tags are upper case
    text = said.get("erlnet_provenance")
    return json.loads(text) if text else None


@dataclass(frozen=True)
class _Kind:
    """How a file of one suffix is written."""

    container: str
    options: dict[str, str]
    codec: str
    sound_codec: str


_KINDS = {
    ".mp4": _Kind("mp4", {"movflags": "use_metadata_tags+faststart"}, "libx264", "aac"),
    ".webm": _Kind("webm", {}, "libvpx-vp9", "libopus"),
}
_VP9_CRF = 12  # VP9's scale of quality lies about so far above x264's
_TO_BE_READ = {"tune": "fastdecode", "bf": "0"}
_SOUND_BLOCK = 1024  # samples handed to the encoder at once


class VideoWriter:
    """Encode RGB frames (and optionally a mono sound track) to an H.264/AAC mp4 or, by the path's suffix, a VP9/Opus
    webm file, which may be transparent.

    Use as a context manager: the file appears under its name only when the block ends without error.  Pictures and
    sound go to the encoder as they come; nothing is kept.

    fps: frames a second.  crf: x264 quality (10 is visually lossless, 18 good for viewing).
    to_be_read: for the pipeline's own videos, which every stage decodes again: a third less to write and less than
    half to decode, for a file up to 1.6 times as large (no B-frames, no arithmetic coding, no deblocking).
    provenance: what made the picture, stored as JSON in the container's metadata (and a readable comment),
    because every render of a real person must say that it is synthetic.  preset: x264's.
    """

    def __init__(
        self,
        path: Path,
        fps: float = 25.0,
        crf: int = 18,
        audio: np.ndarray | None = None,
        sample_rate: int = 16000,
        provenance: dict[str, Any] | None = None,
        preset: str = "medium",
        to_be_read: bool = False,
    ):
        self.path = Path(path)
        self.fps = Fraction(fps).limit_denominator(1001)
        self.crf = crf
        self.preset = preset
        self.to_be_read = to_be_read
        self.audio = audio
        self.sample_rate = sample_rate
        self.provenance = provenance
        self._container: Any = None
        self._stream: Any = None
        self._sound: Any = None
        self._sound_written = 0  # samples
        self._kind = _KINDS.get(self.path.suffix.lower(), _KINDS[".mp4"])
        self.frames = 0

    def __enter__(self) -> "VideoWriter":
        self._atomic = atomic_path(self.path)
        self._temporary = self._atomic.__enter__()
        kind = self._kind
        self._container = av.open(str(self._temporary), "w", format=kind.container, options=kind.options)
        if self.provenance is not None:
            self._container.metadata["erlnet_provenance"] = json.dumps(self.provenance, sort_keys=True)
            self._container.metadata["comment"] = "Synthetic video of a real person, made by ERLNet"
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append one uint8 frame [H, W, 3] RGB, or [H, W, 4] RGB and alpha in a webm file; all frames must have the
        first one's even size and number of channels."""
        form = {3: "rgb24", 4: "rgba"}[frame.shape[2]]
        if form == "rgba" and self._kind.container != "webm":
            raise ValueError(f"{self.path}: only a webm file can be transparent")
        self.write_frame(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=form))

    def write_frame(self, picture: Any) -> None:
        """Append one av.VideoFrame; yuv420p (BT.601, limited range) is encoded as it is, anything else converted."""
        if self._stream is None:
            self._open_streams(picture)
        picture.pict_type = 0  # the encoder decides, whatever a source's decoder said
        picture.pts = self.frames
        picture.time_base = 1 / self.fps
        self.frames += 1
        self._container.mux(self._stream.encode(picture))
        self._write_sound()

    def _open_streams(self, picture: Any) -> None:
        # Both streams must exist before the first packet is muxed.
        stream = self._container.add_stream(self._kind.codec, rate=self.fps)
        stream.height, stream.width = picture.height, picture.width
        stream.pix_fmt = "yuva420p" if picture.format.name == "rgba" else "yuv420p"
        if self._kind.container == "mp4":
            stream.options = {"crf": str(self.crf), "preset": self.preset} | (_TO_BE_READ if self.to_be_read else {})
        else:
            # libvpx refuses alternative reference frames beside alpha.
            stream.options = {"crf": str(self.crf + _VP9_CRF), "deadline": "good", "cpu-used": "4", "auto-alt-ref": "0"}
            stream.bit_rate = 0
        stream.codec_context.time_base = 1 / self.fps
        self._stream = stream
        if self.audio is not None:
            self._sound = self._container.add_stream(self._kind.sound_codec, rate=self.sample_rate, layout="mono")

    def _write_sound(self, last: bool = False) -> None:
        """Hand on the sound of the pictures so far in whole blocks, at the end what is left of it.

        The picture decides the length: sound past the last frame would freeze it.
        """
        if self.audio is None:
            return
        due = min(len(self.audio), round(self.frames * self.sample_rate / self.fps))
        while due - self._sound_written >= (1 if last else _SOUND_BLOCK):
            start = self._sound_written
            self._sound_written = min(start + _SOUND_BLOCK, due)
            samples = np.asarray(self.audio[start : self._sound_written], np.float32)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
            frame.sample_rate = self.sample_rate
            frame.pts = start
            frame.time_base = Fraction(1, self.sample_rate)
            self._container.mux(self._sound.encode(frame))
        if last:
            self._container.mux(self._sound.encode(None))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            try:
                if kind is None:
                    if self._stream is None:
                        raise ValueError(f"{self.path}: no frame was written")
                    self._container.mux(self._stream.encode(None))
                    self._write_sound(last=True)
            finally:
                self._container.close()  # writes the index, which a full disk refuses too
        except BaseException as late:
            self._atomic.__exit__(type(late), late, late.__traceback__)
            if kind is None:
                raise
        else:
            self._atomic.__exit__(kind, error, trace)
