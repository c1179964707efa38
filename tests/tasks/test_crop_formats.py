"""What people have: containers, codecs, clocks, colours, orientations and sounds, each with flashes and clicks.

Every clip shows a face, flashes at known times and clicks at the same times.  After the crop a flash and its click are
less than one frame apart at the start, in the middle and at the end, and the sound is as long as the video.
"""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from synthetic_media import clicking, constant_times, write_clip

from tasks import crop
from tasks.artifacts.audio import read_audio
from tasks.artifacts.frames import FrameTable
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.video import read_frames
from tasks.crop import CropParams
from tasks.ingest.source import SourceVideo

FRAME = 0.04
SECONDS = 3.0
EVENTS = [0.32, 1.52, 2.72]
SOUND = clicking(SECONDS, 48000, EVENTS)


def flashing(picture, events=EVENTS):
    """The whole picture nearly white for 0.1 s from every event."""
    bright = np.round(picture * 0.1 + 225).astype(np.uint8)
    return lambda time: bright if any(-1e-6 <= time - event < 0.1 - 1e-6 for event in events) else picture


def made(folder: SubjectFolder, picture, times=None, sound=SOUND, events=EVENTS, **more) -> Path:
    times = constant_times(SECONDS, 25) if times is None else times
    return write_clip(folder.source, flashing(picture, events), times, sound, **({"container": "mp4"} | more))


def check(folder: SubjectFolder, events=EVENTS, slack: float = FRAME) -> FrameTable:
    """Crop, and hold flashes against clicks, both against the truth, and the lengths against each other."""
    table = crop.run(folder, CropParams(size=64))
    bright = np.array([frame.mean() for frame in read_frames(folder.video)])
    dark, light = np.median(bright), bright.max()
    assert light - dark > 25
    on = bright > (dark + light) / 2
    flashes = (np.flatnonzero(on[1:] & ~on[:-1]) + 1) / 25
    heard = read_audio(folder.audio)
    loud = np.flatnonzero(np.abs(heard) > 0.4 * np.abs(heard).max()) / 16000
    clicks = loud[np.concatenate([[True], np.diff(loud) > 0.2])]
    assert len(flashes) == len(clicks) == len(events)
    assert np.abs(flashes - clicks).max() < slack
    assert np.abs(flashes - events).max() < slack
    assert abs(len(heard) / 16000 - len(bright) / 25) < 1e-4
    assert len(bright) == len(table)
    return table


def encoder(name: str) -> str:
    try:
        return av.Codec(name, "w").name
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV has no encoder {name}")


CODECS = {"H.264": "libx264", "HEVC": "libx265", "VP9": "libvpx-vp9", "AV1": "libsvtav1", "MPEG-4": "mpeg4"}
COMBINATIONS = [
    *[("mp4", codec, "aac") for codec in CODECS],
    ("mov", "H.264", "pcm_s16le"), ("mov", "HEVC", "aac"), ("mov", "MPEG-4", "aac"),
    ("matroska", "H.264", "flac"), ("matroska", "HEVC", "ac3"), ("matroska", "VP9", "libopus"),
    ("matroska", "AV1", "libopus"), ("matroska", "MPEG-4", "libmp3lame"),
    ("webm", "VP9", "libopus"), ("webm", "AV1", "libopus"),
    ("avi", "H.264", "ac3"), ("avi", "MPEG-4", "pcm_s16le"), ("mpegts", "H.264", "aac"),
]  # fmt: skip


@pytest.mark.parametrize(("container", "codec", "sound"), COMBINATIONS)
def test_containers_and_codecs(folder, face, container, codec, sound):
    more = {}
    if codec == "MPEG-4" or container == "avi":
        more["clock"] = 25
    if container == "avi" and codec == "H.264":
        more["options"] = {"preset": "veryfast", "crf": "12", "bf": "2"}  # their times are not in the file
    made(
        folder, face, codec=encoder(CODECS[codec]), audio_codec=encoder(sound), container=container,
        **more,
    )  # fmt: skip
    table = check(folder)
    assert len(table) == 75


@pytest.mark.parametrize("fps", [24000 / 1001, 24, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60, 120])
def test_frame_rates(folder, face, fps):
    times = constant_times(SECONDS, fps)
    events = [min(times, key=lambda t: abs(t - event)) for event in EVENTS]
    made(folder, face, times, clicking(SECONDS, 48000, events), events)
    check(folder, events)


def test_a_variable_rate(folder, face):
    rng = np.random.default_rng(5)
    steps = rng.choice([1 / 60, 1 / 30, 1 / 24, 0.1], 200, p=[0.3, 0.4, 0.2, 0.1])
    times = np.sort(np.concatenate([np.cumsum(steps)[np.cumsum(steps) < SECONDS], [0.0], EVENTS]))
    times = [float(time) for time in times[np.concatenate([[True], np.diff(times) > 0.004])]]
    events = [min(times, key=lambda t: abs(t - event)) for event in EVENTS]
    made(folder, face, times, clicking(SECONDS, 48000, events), events, container="matroska", clock=1000)
    check(folder, events)


@pytest.mark.parametrize(
    ("rate", "channels", "codec", "container"),
    [
        (8000, 1, "aac", "mp4"), (11025, 1, "libmp3lame", "mov"), (16000, 1, "flac", "matroska"),
        (22050, 2, "libmp3lame", "mp4"), (44100, 2, "aac", "mov"), (48000, 6, "ac3", "matroska"),
        (48000, 6, "aac", "mp4"), (96000, 2, "aac", "mp4"), (96000, 1, "pcm_s16le", "mov"),
    ],
)  # fmt: skip
def test_sound_rates_and_channels(folder, face, rate, channels, codec, container):
    sound = clicking(SECONDS, rate, EVENTS, channels)
    made(folder, face, sound=sound, rate=rate, audio_codec=encoder(codec), container=container)
    facts = check(folder).header["source"]
    assert (facts["audio_rate"], facts["audio_channels"]) == (rate, channels)


def test_of_several_tracks_the_default_is_used_and_named(folder, face):
    other = clicking(SECONDS, 48000, [0.9, 2.1])
    made(folder, face, more_sounds=[other, np.repeat(other, 2, 0)], container="matroska")
    header = check(folder).header
    assert (header["source"]["audio_track"], header["source"]["audio_streams"]) == (1, 3)
    assert any("track 1 of 3" in said for said in header["treatments"])
    made(folder, face, sound=other, more_sounds=[SOUND], default_sound=1, container="matroska")
    header = check(folder).header
    assert (header["source"]["audio_track"], header["source"]["audio_streams"]) == (2, 2)


@pytest.mark.parametrize(("transfer", "tags"), [("pq", (9, 1, 16, 9)), ("hlg", (9, 1, 18, 9))])
@pytest.mark.parametrize("codec", ["libx265", "libsvtav1"])
def test_hdr(folder, face, transfer, tags, codec):
    made(folder, face, codec=encoder(codec), pixels="yuv420p10le", colour=tags, container="matroska")
    header = check(folder).header
    assert (header["source"]["transfer"], header["source"]["bits"]) == (transfer, 10)
    assert any("tone-mapped" in said for said in header["treatments"])


def test_ten_bits_alone_are_not_taken_for_hdr(folder, face):
    made(folder, face, codec=encoder("libx265"), pixels="yuv420p10le")
    header = check(folder).header
    assert (header["source"]["transfer"], header["source"]["bits"]) == ("sdr", 10)
    assert header["treatments"] == []


@pytest.mark.parametrize(
    ("codec", "options", "container"),
    [
        ("libx264", {"preset": "ultrafast", "x264-params": "tff=1"}, "mp4"),
        ("libx264", {"preset": "ultrafast", "x264-params": "bff=1"}, "matroska"),
        ("mpeg2video", {"flags": "+ildct+ilme"}, "mpegts"),
    ],
)
def test_interlaced(folder, face, codec, options, container):
    """A bar that moves between the two fields of a frame leaves no combs."""
    moving = flashing(face)

    def paint(time):
        picture = moving(time).copy()
        for field in (0, 1):
            x = 10 + int((time * 25 * 2 + field) * 1.5) % 60
            picture[field::2, x : x + 12] = 255
        return picture

    write_clip(
        folder.source, paint, constant_times(SECONDS, 25), SOUND, codec=encoder(codec), options=options,
        container=container, clock=25 if codec == "mpeg2video" else 90000,
    )  # fmt: skip
    assert _combs(folder.source, deinterlace=False) > 3 * _combs(folder.source, deinterlace=True)
    header = check(folder).header
    assert header["source"]["interlaced"]
    assert any("interlaced" in said for said in header["treatments"])


def _combs(path: Path, deinterlace: bool) -> float:
    """How much the lines differ from the mean of their neighbours, beyond the face's own detail."""
    if deinterlace:
        with SourceVideo(path) as source:
            pictures = [frame.to_ndarray(format="gray").astype(float) for _, frame in source.frames()]
    else:
        with av.open(str(path)) as container:
            pictures = [frame.to_ndarray(format="gray").astype(float) for frame in container.decode(video=0)]
    left = [picture[:, :90] for picture in pictures[20:30]]
    return float(np.mean([np.square(2 * p[1:-1] - p[:-2] - p[2:]).mean() for p in left]))


@pytest.mark.parametrize("angle", [90, 180, -90])
def test_phones_that_turn_the_picture(folder, face, angle):
    # A positive angle is undone counter-clockwise.
    made(folder, np.ascontiguousarray(np.rot90(face, -angle // 90)), rotation=angle)
    facts = check(folder).header["source"]
    assert (facts["width"], facts["height"]) == (320, 240)


def test_portrait(folder, face):
    tall = np.full((426, 240, 3), 90, np.uint8)
    tall[60:300] = face[:, 40:280]
    made(folder, tall)
    facts = check(folder).header["source"]
    assert (facts["width"], facts["height"]) == (240, 426)


@pytest.mark.parametrize("aspect", [4 / 3, 0.75])
def test_pixels_that_are_not_square(folder, face, aspect):
    import cv2

    squeezed = cv2.resize(face, (round(320 / aspect / 2) * 2, 240), interpolation=cv2.INTER_AREA)
    made(folder, squeezed, aspect=aspect)
    table = check(folder)
    assert table.header["source"]["width"] == pytest.approx(320, abs=2)
    assert any("made square" in said for said in table.header["treatments"])
    box = table.box[5]
    assert (box[2] - box[0]) / (box[3] - box[1]) == pytest.approx(1, abs=0.1)  # the detector's box of a round face


@pytest.mark.parametrize(("codec", "pixels"), [("libvpx-vp9", "yuv420p"), ("libx264", "yuv444p")])
def test_odd_sizes(folder, face, codec, pixels):
    made(folder, face[:239, :319], codec=encoder(codec), pixels=pixels, container="matroska")
    facts = check(folder).header["source"]
    assert (facts["width"], facts["height"]) == (319, 239)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
@pytest.mark.parametrize(("start", "sound_start"), [(1.4, 1.4), (0.7, 0.2), (0.2, 0.7), (-0.2, -0.2), (-0.2, 0.1)])
def test_starts_that_are_not_zero(folder, face, container, start, sound_start):
    """Events count from the first picture of the clip; the sound that is written begins ``shift`` before it."""
    shift, events = start - sound_start, [0.72, 1.52, 2.72]
    sound = clicking(SECONDS + max(0.0, shift), 48000, [event + shift for event in events])
    made(
        folder, face, sound=sound, events=events, start=start, sound_start=sound_start, container=container,
        mux={"avoid_negative_ts": "disabled"} if start < 0 else None,
    )  # fmt: skip
    with SourceVideo(folder.source) as source:
        begins = source.facts.video_start
    # MPEG-TS keeps a start below zero; mp4 and Matroska begin to show the picture at zero.
    assert begins == pytest.approx(start if container == "mpegts" or start > 0 else 0, abs=2e-3)
    check(folder, [event - (begins - start) for event in events])


def test_an_edit_list_that_hides_the_beginning(folder, face):
    """A trim made on a phone: the picture's edit starts 0.6 s into its media, so all of it is shown 0.6 s earlier."""
    trim = 0.6
    events = [event - trim for event in EVENTS[1:]]
    sound = clicking(SECONDS - trim, 48000, events)
    # A key frame every 5 pictures: the edit begins in the middle of a group.
    made(folder, face, sound=sound, container="mp4", options={"preset": "ultrafast", "g": "5", "bf": "0"})
    data = bytearray(folder.source.read_bytes())
    place = data.index(b"elst")  # the first is the picture's: version 0, one entry: duration, media time, rate
    assert struct.unpack(">II", data[place + 4 : place + 12]) == (0, 1)
    length, media = struct.unpack(">Ii", data[place + 12 : place + 20])
    data[place + 12 : place + 20] = struct.pack(">Ii", length - round(trim * 1000), media + round(trim * 90000))
    folder.source.write_bytes(data)
    table = check(folder, events)
    assert len(table) == 60
