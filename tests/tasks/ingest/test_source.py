"""Reading source videos: time, rotation, colour, refusals."""

import resource
import struct
from pathlib import Path

import numpy as np
import pytest
from synthetic_media import clicking, constant_times, flashing, write_clip

from tasks.errors import BadInput
from tasks.ingest.media import decode_sound
from tasks.ingest.source import SourceVideo, packets_of
from tasks.ingest.upright import Upright

RED = np.array([200, 20, 20])


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Grey, with a red left edge."""
    out = np.full((120, 160, 3), 90, np.uint8)
    out[:, :40] = RED
    return out


def still(picture):
    return lambda _: picture


def test_times_and_facts(tmp_path, picture):
    path = write_clip(tmp_path / "a.mp4", still(picture), constant_times(2, 30), clicking(2, 48000, []))
    with SourceVideo(path) as source:
        times = [time for time, _ in source.frames()]
        assert np.allclose(times, np.arange(60) / 30, atol=1e-4)
        assert [time for time, _ in source.frames()] == times  # a second pass starts anew
        facts = source.facts
    assert (facts.width, facts.height, facts.rotation) == (160, 120, 0)
    assert facts.duration == pytest.approx(2.0, abs=0.05)
    assert (facts.video_codec, facts.audio_codec, facts.audio_rate) == ("h264", "aac", 48000)


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_start_that_is_not_zero_is_kept(tmp_path, picture, container):
    path = tmp_path / f"a.{container}"
    sound = clicking(2, 48000, [])
    write_clip(path, still(picture), constant_times(2, 25), sound, start=0.6, sound_start=0.2, container=container)
    with SourceVideo(path) as source:
        assert source.facts.video_start == pytest.approx(0.6, abs=2e-3)


@pytest.mark.parametrize(("angle", "edge"), [(90, "bottom"), (-90, "top"), (180, "right")])
def test_rotation_is_undone_as_the_file_says(tmp_path, picture, angle, edge):
    path = write_clip(tmp_path / "a.mp4", still(picture), constant_times(0.4, 25), None, rotation=angle)
    # The track header's matrix, read by hand: where does "right" of the coded picture point on the screen?
    data = path.read_bytes()
    start = data.index(b"tkhd") + 4 + 4 + 20 + 16
    a, b, _, c, d, *_ = struct.unpack(">9i", data[start : start + 36])
    right = {(0, -1): "up", (0, 1): "down", (-1, 0): "left"}[(a >> 16, b >> 16)]
    assert {"up": "bottom", "down": "top", "left": "right"}[right] == edge  # the left edge is opposite
    with SourceVideo(path) as source:
        facts = source.facts
        assert (facts.width, facts.height) == ((160, 120) if angle == 180 else (120, 160))
        upright = Upright(facts, (facts.width, facts.height))(next(source.frames())[1])
    strip = {"bottom": upright[-20:], "top": upright[:20], "right": upright[:, -20:]}[edge]
    assert np.abs(strip.reshape(-1, 3).mean(0) - RED).max() < 12
    assert (c >> 16, d >> 16) != (0, 0) or angle != 180


def test_cut_and_scale(tmp_path):
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[40:80, 60:100] = (30, 180, 60)
    path = write_clip(tmp_path / "a.mp4", still(picture), constant_times(0.4, 25), None)
    with SourceVideo(path) as source:
        frame = next(source.frames())[1]
        out = Upright(source.facts, (64, 64), (60, 40, 100, 80))(frame)
        assert out.shape == (64, 64, 3)
        assert np.abs(out[8:-8, 8:-8].astype(int) - [30, 180, 60]).max() < 15
        again = Upright(source.facts, (64, 64), (60, 40, 100, 80))
        assert np.array_equal(again(frame), out)
        assert np.array_equal(again(frame), out)


def test_pixels_that_are_not_square(tmp_path):
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((120, 160, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode(None))
    with SourceVideo(path) as source:
        assert (source.facts.width, source.facts.height) == (320, 120)
        assert Upright(source.facts, (320, 120))(next(source.frames())[1]).shape == (120, 320, 3)


@pytest.mark.parametrize("where", ["in the header", "in the stream"])
def test_a_picture_that_is_too_large_is_refused_before_memory_is_taken(tmp_path, picture, where):
    path = tmp_path / "a.avi"
    write_clip(path, still(picture), constant_times(0.4, 25), None, codec="mjpeg", clock=25)
    data, place = bytearray(path.read_bytes()), 0
    while (place := data.find(b"\xff\xc0\x00\x11\x08", place + 1)) > 0:  # start of a JPEG frame: height, width
        data[place + 5 : place + 9] = struct.pack(">HH", 16000, 16000)
    if where == "in the header":
        place = data.index(b"strf") + 12
        data[place : place + 8] = struct.pack("<ii", 16000, 16000)
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match="16000x16000" if where == "in the header" else "no picture could be decoded"):
        SourceVideo(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB; one such picture is 384 MB


def test_truncated_files_give_what_they_hold(tmp_path, picture):
    path = tmp_path / "a.mkv"
    write_clip(path, flashing(picture, [0.2]), constant_times(2, 25), None)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with SourceVideo(path) as source:
        assert 5 < sum(1 for _ in source.frames()) < 50


def _not_there(folder: Path) -> Path:
    return folder / "nothing.mp4"


def _folder(folder: Path) -> Path:
    return folder


def _empty(folder: Path) -> Path:
    (folder / "empty.mp4").write_bytes(b"")
    return folder / "empty.mp4"


def _text(folder: Path) -> Path:
    (folder / "notes.mp4").write_text("not a video\n" * 100)
    return folder / "notes.mp4"


def _noise(folder: Path) -> Path:
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(50000))
    return folder / "noise.mp4"


def _cut_header(folder: Path) -> Path:
    path = write_clip(folder / "cut.mp4", lambda _: np.zeros((64, 64, 3), np.uint8), constant_times(1, 25), None)
    path.write_bytes(path.read_bytes()[:600])
    return path


def _colon(folder: Path) -> Path:
    return Path("https://example.invalid/clip.mp4")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_not_there, "does not exist"),
        (_folder, "is a folder"),
        (_empty, "is empty"),
        (_text, "not a media file"),
        (_noise, "not a media file"),
        (_cut_header, ""),
        (_colon, "does not exist"),
    ],
)
def test_refusals_are_one_line_and_name_the_file(tmp_path, make, says):
    path = make(tmp_path)
    with pytest.raises(BadInput) as caught:
        SourceVideo(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    assert says in message


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi", "mpegts"])
@pytest.mark.parametrize("group", [12, 250])
def test_a_part_is_read_wherever_key_frames_lie(tmp_path, picture, container, group):
    path = tmp_path / "clip"
    options = {"preset": "ultrafast", "g": str(group), "keyint_min": str(group), "sc_threshold": "0"}
    sound = clicking(6, 48000, [])
    clock = 25 if container == "avi" else 90000
    write_clip(
        path, still(picture), constant_times(6, 25), sound, container=container, options=options, clock=clock,
        audio_codec="mp3" if container == "avi" else "aac",
    )  # fmt: skip
    with SourceVideo(path) as source:
        start = source.facts.video_start
        times = np.array([time for time, _ in source.frames()])
        for begin, end in ((0.0, 1.0), (2.9, 4.1), (4.0, 9.0)):
            part = [time for time, _ in source.between(begin, end)]
            np.testing.assert_array_equal(part, times[(times >= start + begin) & (times < start + end)])


def test_a_stream_that_begins_in_the_middle_of_a_transport_stream(tmp_path, picture):
    """Packets of a stream that the table at the beginning does not know: what a switched broadcast or damage makes."""
    paths = [
        write_clip(tmp_path / name, still(picture), constant_times(2, 25), sound, container="mpegts", mux=mux)
        for name, sound, mux in (
            ("one.ts", clicking(2, 48000, []), {}),
            ("two.ts", clicking(2, 48000, []), {"mpegts_start_pid": "0x200"}),
        )
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(one.read_bytes() for one in paths))
    with SourceVideo(path) as source:
        assert sum(1 for _ in source.frames()) == 50
    assert len(decode_sound(path)) >= 1.9 * 16000


def test_a_packet_of_an_unknown_stream_is_left_out():
    """PyAV raises IndexError for it, or not, by what lies in memory behind its list of streams."""

    class Container:
        def __init__(self) -> None:
            self.left = list(range(9))

        def demux(self, _: object):
            while self.left:
                packet = self.left.pop(0)
                if packet in (2, 3, 8):
                    raise IndexError("list index out of range")
                yield packet

    assert list(packets_of(Container(), None)) == [0, 1, 4, 5, 6, 7]
