"""Makes damaged media files, the same ones for the same seed: from a good clip, and from nothing.

Every maker yields (kind, path).  The good clip should show a face and have sound, so that harmless damage is told from
harmful: a file may still be a usable video after it was hurt.
"""

import gzip
import struct
import wave
import zipfile
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tasks.ingest.media import decode_sound
from tasks.ingest.source import SourceVideo
from tasks.ingest.upright import Upright

Made = Iterator[tuple[str, Path]]
# suffix: container, picture codec and its options, sound codec
BASES = {
    "mp4": ("mp4", "libx264", {"preset": "ultrafast", "crf": "23", "g": "25"}, "aac"),
    "mov": ("mov", "libx265", {"preset": "ultrafast", "crf": "26", "x265-params": "log-level=none"}, "pcm_s16le"),
    "mkv": ("matroska", "libx264", {"preset": "veryfast", "crf": "23"}, "flac"),
    "webm": ("webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "30", "b": "0"}, "libopus"),
    "avi": ("avi", "mpeg4", {"b": "1500000"}, "libmp3lame"),
    "ts": ("mpegts", "libx264", {"preset": "ultrafast", "crf": "23"}, "aac"),
}
SECONDS = 5.5  # the gates want 5


def bases(good: Path, folder: Path, names: tuple[str, ...] = tuple(BASES)) -> dict[str, Path]:
    """The first seconds of the good clip in several containers and codecs, 320 pixels wide."""
    with SourceVideo(good) as source:
        facts = source.facts
        size = (320, round(320 * facts.height / facts.width / 2) * 2)
        upright, pictures = Upright(facts, size), []
        for time, frame in source.frames():
            if time - facts.video_start >= SECONDS:
                break
            pictures.append(upright(frame))
    sound = decode_sound(good, rate=48000)[: round(48000 * SECONDS)]
    made = {}
    for suffix in names:
        made[suffix] = folder / f"good.{suffix}"
        write(made[suffix], pictures, sound, round(len(pictures) / SECONDS), *BASES[suffix])
    return made


def write(
    path: Path,
    pictures: list[np.ndarray],
    sound: np.ndarray | None,
    fps: int,
    container: str,
    codec: str,
    options: dict[str, str],
    sound_codec: str = "aac",
    times: list[float] | None = None,
) -> None:
    """Encode RGB pictures and mono sound at 48 kHz; times: seconds of the pictures, where not constant."""
    with av.open(str(path), "w", format=container) as out:
        video = out.add_stream(codec, rate=fps)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        video.options = options
        if times is not None:
            video.codec_context.time_base = Fraction(1, 1000)
        audio = None if sound is None else out.add_stream(sound_codec, rate=48000, layout="mono")
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = (
                (k, Fraction(1, fps)) if times is None else (round(times[k] * 1000), Fraction(1, 1000))
            )
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio is not None and sound is not None:
            kind, step = audio.codec_context.format.name, audio.codec_context.frame_size or 1024
            for first in range(0, len(sound), step):
                block = sound[None, first : first + step]
                if kind.startswith("s"):
                    block = np.round(block * 32767).astype("<i2")
                    block = block.astype("<i4") << 16 if kind.startswith("s32") else block
                else:
                    block = block.astype(np.float32)
                piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format=kind, layout="mono")
                piece.sample_rate, piece.pts, piece.time_base = 48000, first, Fraction(1, 48000)
                out.mux(audio.encode(piece))
            out.mux(audio.encode(None))


def hurt(goods: dict[str, Path], folder: Path, seed: int, rounds: int) -> Made:
    """Truncated, flipped, overwritten, missing and repeated bytes; wrong names."""
    rng = np.random.default_rng(seed)
    kinds: dict[str, Callable[[bytes], bytes]] = {
        "truncated": lambda data: data[: rng.integers(1, len(data))],
        "beginning cut off": lambda data: data[rng.integers(1, len(data)) :],
        "8 bytes flipped": lambda data: _flip(data, rng, 8, 0, len(data)),
        "500 bytes flipped": lambda data: _flip(data, rng, 500, 0, len(data)),
        "header flipped": lambda data: _flip(data, rng, 12, 0, min(1500, len(data))),
        "index flipped": lambda data: _flip(data, rng, 40, max(0, len(data) - 4000), len(data)),
        "block zeroed": lambda data: _block(data, rng, lambda part: bytes(len(part))),
        "block of noise": lambda data: _block(data, rng, lambda part: rng.bytes(len(part))),
        "block missing": lambda data: _block(data, rng, lambda _: b""),
        "block repeated": lambda data: _block(data, rng, lambda part: part * 3),
    }
    for suffix, path in goods.items():
        data = path.read_bytes()
        for kind, change in kinds.items():
            for k in range(rounds):
                out = folder / f"{kind.replace(' ', '_')}_{k}.{suffix}"
                out.write_bytes(change(data))
                yield kind, out
        wrong = folder / f"wrong_name_{suffix}.{'jpg' if suffix == 'mp4' else 'mp4'}"
        wrong.write_bytes(data)
        yield "wrong extension", wrong


def _flip(data: bytes, rng: np.random.Generator, count: int, first: int, last: int) -> bytes:
    out = bytearray(data)
    for place in rng.integers(first, last, count):
        out[place] ^= int(rng.integers(1, 256))
    return bytes(out)


def _block(data: bytes, rng: np.random.Generator, change: Callable[[bytes], bytes]) -> bytes:
    length = int(rng.integers(200, max(201, len(data) // 4)))
    first = int(rng.integers(0, max(1, len(data) - length)))
    return data[:first] + change(data[first : first + length]) + data[first + length :]


def bombs(goods: dict[str, Path], folder: Path) -> Made:
    """Headers that promise more than a machine has, and small files that unpack to a lot."""
    grey = np.full((240, 320, 3), 120, np.uint8)
    data = bytearray(goods["mp4"].read_bytes())
    for name, width, height in (("16k", 16000, 16000), ("wide", 65535, 16), ("thin", 8, 8), ("nothing", 0, 0)):
        out = bytearray(data)
        place = out.index(b"avc1") + 28  # of the sample description: width, height
        out[place : place + 4] = struct.pack(">HH", width, height)
        yield "size in the header", _write(folder / f"header_{name}.mp4", out)
    for name, size in (("16k", 16000), ("10k", 10000)):
        path = folder / f"stream_{name}.avi"
        write(path, [grey] * 100, None, 25, "avi", "mjpeg", {})
        yield "size in the stream", _write(path, _replaced_jpeg_size(path.read_bytes(), size))
    for name, said in (("said", 16000), ("hidden", 320)):
        path = folder / f"pictures_16k_{name}.mov"
        _large_pictures(path, 16000, said)
        yield "16k x 16k pictures", path
    yield "day-long header", _write(folder / "day_header.mp4", _longer(bytes(data), 86400))
    yield "day-long header", _write(folder / "year_header.mp4", _longer(bytes(data), 31_000_000))
    out = bytearray(goods["mkv"].read_bytes())
    place = out.index(b"\x44\x89\x88") + 3  # Matroska's duration: a double, milliseconds
    out[place : place + 8] = struct.pack(">d", 86_400_000.0)
    yield "day-long header", _write(folder / "day_header.mkv", out)
    noise = np.random.default_rng(0).normal(0, 0.1, 48000 * 4)
    fast = {"preset": "ultrafast"}
    for name, times in (
        ("hole", [0.04 * k for k in range(50)] + [3000 + 0.04 * k for k in range(50)]),
        ("day", [900.0 * k for k in range(100)]),
    ):
        path = folder / f"clock_{name}.mkv"
        write(path, [grey] * 100, noise, 25, "matroska", "libx264", fast, times=times)
        yield "impossible clock", path
    path = folder / "8k.mp4"
    write(path, [np.full((4320, 7680, 3), 90, np.uint8)] * 40, noise, 10, "mp4", "libx264", fast)
    yield "8K of one colour", path
    path = folder / "rate.mp4"
    out = bytearray(data)
    place = out.index(b"mp4a", out.index(b"stsd", out.index(b"soun"))) + 28
    out[place : place + 4] = struct.pack(">I", 0xFFFF0000)
    yield "sound rate in the header", _write(path, out)


def _large_pictures(path: Path, side: int, said: int) -> None:
    """A QuickTime file with sound whose pictures are side x side, in some kilobytes each; its header says ``said``."""
    with av.open(str(path), "w", format="mov") as out:
        video = out.add_mux_stream("png", rate=25, width=said, height=said)
        sound = out.add_stream("aac", rate=48000, layout="mono")
        picture = _png_bomb(side)
        for k in range(50):
            packet = av.Packet(picture)
            packet.stream, packet.time_base = video, Fraction(1, 25)
            packet.pts = packet.dts = k
            packet.is_keyframe = True
            out.mux(packet)
            piece = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = 48000, 1024 * k, Fraction(1, 48000)
            out.mux(sound.encode(piece))
        out.mux(sound.encode(None))


def _longer(data: bytes, seconds: int) -> bytes:
    """The mp4 with every track's and the movie's duration set."""
    out = bytearray(data)
    for box, scale_at in ((b"mvhd", 12), (b"mdhd", 12)):
        place = -1
        while (place := out.find(box, place + 1)) >= 0:
            at = place + 4 + scale_at
            scale = struct.unpack(">I", out[at : at + 4])[0]
            out[at + 4 : at + 8] = struct.pack(">I", min(2**32 - 1, seconds * scale))
    return bytes(out)


def _replaced_jpeg_size(data: bytes, size: int) -> bytes:
    out, place = bytearray(data), 0
    while (place := out.find(b"\xff\xc0\x00\x11\x08", place + 1)) > 0:  # start of a JPEG frame: height, width
        out[place + 5 : place + 9] = struct.pack(">HH", size, size)
    return bytes(out)


def empty(goods: dict[str, Path], folder: Path) -> Made:
    """Nothing in it, or nothing in one of its tracks."""
    yield "no bytes", _write(folder / "empty.mp4", b"")
    yield "one byte", _write(folder / "one.mkv", b"\x1a")
    yield "zeros", _write(folder / "zeros.mp4", bytes(100_000))
    grey, noise = np.full((240, 320, 3), 120, np.uint8), np.random.default_rng(0).normal(0, 0.1, 192000)
    for suffix in ("mp4", "mkv"):
        container = "matroska" if suffix == "mkv" else suffix
        path = folder / f"no_pictures.{suffix}"
        with av.open(str(path), "w", format=container) as out:
            stream = out.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            track = out.add_stream("aac", rate=48000, layout="mono")
            for first in range(0, 48000, 1024):
                piece = av.AudioFrame.from_ndarray(
                    noise[None, first : first + 1024].astype(np.float32), format="fltp", layout="mono"
                )
                piece.sample_rate, piece.pts = 48000, first
                out.mux(track.encode(piece))
            out.mux(track.encode(None))
        yield "empty picture track", path
        path = folder / f"no_sound.{suffix}"
        write(path, [grey] * 100, np.zeros(0), 25, container, "libx264", {"preset": "ultrafast"})
        yield "empty sound track", path
    path = folder / "one_picture.mp4"
    write(path, [grey], noise, 25, "mp4", "libx264", {"preset": "ultrafast"})
    yield "one picture", path
    path = folder / "mute.mp4"
    write(path, [grey] * 100, None, 25, "mp4", "libx264", {"preset": "ultrafast"})
    yield "no sound track", path


def no_video(folder: Path) -> Made:
    """What is not a video at all, under a video's name."""
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 255, (64, 64, 3), np.uint8)
    for suffix, codec in (("jpg", "mjpeg"), ("png", "png"), ("gif", "gif")):
        path = folder / f"picture_{suffix}.mp4"
        with av.open(str(path), "w", format="gif" if suffix == "gif" else "image2pipe") as out:
            stream = out.add_stream(codec, rate=1)
            stream.height = stream.width = 64
            stream.pix_fmt = {"jpg": "yuvj420p", "png": "rgb24", "gif": "rgb8"}[suffix]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            out.mux(stream.encode(None))
        yield "picture", path
    yield "picture", _write(folder / "bomb_png.mp4", _png_bomb())
    secret = _write(folder / "secret.txt", b"not to be read\n")
    texts = {
        "text": b"not a video\n" * 300,
        "html": b"<!doctype html><html><body><video src='x.mp4'></video></body></html>",
        "pdf": b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='99999' height='99999'/>",
        "subtitles": b"1\n00:00:00,000 --> 00:00:02,000\nHello\n",
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode(),
        "concat": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        "session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "noise": rng.bytes(200_000),
        "gzip": gzip.compress(bytes(5_000_000)),
    }
    for name, content in texts.items():
        yield "no media", _write(folder / f"{name}.mp4", content)
    path = folder / "zip.mp4"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(5_000_000))
    yield "no media", path
    path = folder / "voice.mp4"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(bytes(64000))
    yield "sound only", path


def _png_bomb(side: int = 30000) -> bytes:
    """A PNG of side x side pixels in some kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = bytes(side // 8 + 2)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _write(path: Path, data: bytes | bytearray) -> Path:
    path.write_bytes(data)
    return path
