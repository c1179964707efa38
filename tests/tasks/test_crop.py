"""The crop stage: picture and sound stay together through every clock; nothing half-written; bounded memory."""

import errno
import resource
import shutil

import cv2
import numpy as np
import pytest
from synthetic_media import clicking, constant_times, flashing, write_clip

from tasks import crop, stage
from tasks.artifacts.audio import read_audio
from tasks.artifacts.frames import read_frame_table
from tasks.artifacts.video import read_frames
from tasks.crop import CropParams
from tasks.errors import BadInput, MissingInput

FRAME = 0.04
EVENTS = [0.4, 2.0, 3.6]


def vfr() -> list[float]:
    """A phone's clock: 30 frames a second with jitter, dropped frames and a stretch at half rate."""
    rng = np.random.default_rng(3)
    times = np.arange(120) / 30 + rng.uniform(-0.006, 0.006, 120)
    times[0] = 0.0
    keep = rng.random(120) > 0.1
    keep[60:90:2] = False
    keep[[0, 12, 108]] = True
    times = np.sort(np.concatenate([times[keep], EVENTS]))
    return list(times[np.concatenate([[True], np.diff(times) > 2e-3])])


CLOCKS = {
    "25": {"times": constant_times(4, 25)},
    "29.97": {"times": constant_times(4, 30000 / 1001)},
    "24": {"times": constant_times(4, 24)},
    "60": {"times": constant_times(4, 60)},
    "variable": {"times": vfr()},
    "b-frames and edit list": {"times": constant_times(4, 25), "options": {"preset": "medium"}},
    "late start": {"times": constant_times(4, 25), "start": 1.5, "sound_start": 1.5},
    "sound first": {"times": constant_times(4, 30), "start": 0.7, "sound_start": 0.2},
    "picture first": {"times": constant_times(4, 30), "start": 0.2, "sound_start": 0.5},
    "44.1 kHz stereo": {"times": constant_times(4, 25), "rate": 44100, "channels": 2},
}


def rising(values: np.ndarray, threshold: float) -> np.ndarray:
    return np.flatnonzero((values[1:] > threshold) & (values[:-1] <= threshold)) + 1


@pytest.mark.parametrize("container", ["mp4", "matroska"])
@pytest.mark.parametrize("clock", CLOCKS)
def test_a_flash_and_a_click_stay_together(folder, face, clock, container):
    given = dict(CLOCKS[clock])
    times, channels = given.pop("times"), given.pop("channels", 1)
    rate = given.get("rate", 48000)
    shift = given.get("start", 0.0) - given.get("sound_start", given.get("start", 0.0))
    # Events happen where the source has a frame, so that its own clock adds no error.
    events = [min(times, key=lambda t: abs(t - event)) for event in EVENTS]
    sound = clicking(4 + shift, rate, [event + shift for event in events], channels)
    write_clip(folder.source, flashing(face, events), times, sound, container=container, **given)

    table = crop.run(folder, CropParams(size=64))

    bright = np.array([frame[:3].mean() for frame in read_frames(folder.video)])
    heard = read_audio(folder.audio)
    flashes = rising(bright, 137) / 25
    loud = np.flatnonzero(np.abs(heard) > 0.2) / 16000
    clicks = loud[np.concatenate([[True], np.diff(loud) > 0.2])]
    assert len(flashes) == len(clicks) == 3
    assert np.abs(flashes - clicks).max() < FRAME
    assert np.abs(flashes - events).max() < FRAME
    assert abs(len(heard) / 16000 - len(table) / 25) < 1e-4
    assert len(bright) == len(table)


def test_the_sample(folder, sample_clip):
    shutil.copy(sample_clip, folder.source)
    table = crop.run(folder, CropParams())
    assert len(table) == 144
    assert sum(1 for _ in read_frames(folder.video)) == 144
    assert len(read_audio(folder.audio)) == 144 * 640
    written = read_frame_table(folder.frames)
    assert (written.face_confidence > 0.5).all()
    header = written.header
    x0, y0, x1, y1 = header["crop_box"]
    assert x1 - x0 == y1 - y0
    assert 0 <= x0 < x1 <= 640
    assert 0 <= y0 < y1 <= 480
    assert header["source"]["frames"] == 173
    assert header["source"]["video_codec"] == "h264"
    assert header["padding"] == [0, 0, 0, 0]
    # The face sits inside with room to spare, in every frame.
    assert (written.box[:, :2] > 20).all()
    assert (written.box[:, 2:] < 236).all()
    assert np.abs(written.source_pts - written.t).max() < 0.5 / 25 + 0.5 / 29.97 + 1e-3


def test_the_same_input_gives_the_same_bytes(folder, face):
    write_clip(folder.source, flashing(face, []), constant_times(1, 25), clicking(1, 48000, []), container="mp4")
    outputs = (folder.video, folder.audio, folder.frames)
    crop.run(folder, CropParams(size=64))
    first = [path.read_bytes() for path in outputs]
    crop.run(folder, CropParams(size=64))
    assert [path.read_bytes() for path in outputs] == first


def test_frames_without_a_face_stay_in_the_table(folder, face):
    def picture(time):
        return face if time < 1 else np.full_like(face, 100)

    write_clip(folder.source, picture, constant_times(2, 25), clicking(2, 48000, []), container="mp4")
    crop.run(folder, CropParams(size=64))
    table = read_frame_table(folder.frames)
    assert len(table) == 50
    assert (table.face_confidence[:22] > 0).all()
    assert (table.face_confidence[26:] == 0).all()
    assert np.isnan(table.box[26:]).all()


def two_faces(face, second: int) -> np.ndarray:
    """The face at 240 rows on the left, and on the right once more with ``second`` rows."""
    picture = np.full((240, 640, 3), 110, np.uint8)
    picture[:, :320] = face
    small = cv2.resize(face, (round(second * 4 / 3), second), interpolation=cv2.INTER_AREA)
    picture[:second, 640 - small.shape[1] :] = small
    return picture


def test_of_two_faces_the_larger_is_cut_out(folder, face):
    write_clip(
        folder.source, lambda _: two_faces(face, 160), constant_times(2, 25), clicking(2, 48000, []), container="mp4"
    )
    table = crop.run(folder, CropParams(size=64))
    assert table.header["crop_box"][2] <= 330
    assert table.header["faces_seen"] == [10, 10]
    assert table.header["other_faces_seen"] == 10
    x0, y0, x1, y1 = table.header["face_union"]
    assert 60 < x1 - x0 < 110
    assert 60 < y1 - y0 < 110


def test_two_equal_faces_are_refused_in_one_line(folder, face):
    write_clip(
        folder.source, lambda _: two_faces(face, 234), constant_times(2, 25), clicking(2, 48000, []), container="mp4"
    )
    with pytest.raises(BadInput, match="two people are about equally large and long in the picture") as caught:
        crop.run(folder, CropParams(size=64))
    assert "\n" not in str(caught.value)
    assert {path.name for path in folder.root.iterdir()} == {"source.video"}


@pytest.mark.parametrize(("times", "says"), [
    ([0.0, 0.04, 0.08, 30.0, 30.04], "no picture for 30 s"),
    ([0.04 * k for k in range(50)] + [5.0 * k for k in range(1, 900)], "more than 1 hour"),
])  # fmt: skip
def test_a_clock_that_cannot_be_is_refused(folder, face, times, says):
    tiny = face[::8, ::8]
    write_clip(folder.source, lambda _: tiny, times, clicking(1, 48000, []), container="matroska", clock=1000)
    with pytest.raises(BadInput, match=says):
        crop.run(folder, CropParams(size=64))


def test_no_face_no_source_odd_size(folder, face):
    with pytest.raises(MissingInput, match="erlnet onboard"):
        crop.run(folder, CropParams())
    grey = np.full_like(face, 100)
    write_clip(folder.source, lambda _: grey, constant_times(1, 25), clicking(1, 48000, []), container="mp4")
    with pytest.raises(BadInput, match="no face was found in"):
        crop.run(folder, CropParams())
    with pytest.raises(BadInput, match=r"crop\.size is 63"):
        crop.run(folder, CropParams(size=63))
    assert {path.name for path in folder.root.iterdir()} == {"source.video"}


@pytest.mark.parametrize("victim", ["audio", "frames"])
def test_a_full_disk_is_one_line_and_leaves_nothing(folder, face, monkeypatch, capsys, victim):
    write_clip(folder.source, lambda _: face, constant_times(1, 25), clicking(1, 48000, []), container="mp4")

    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device", str(getattr(folder, victim)))

    if victim == "audio":
        monkeypatch.setattr("wave.Wave_write.writeframes", full)
    else:
        monkeypatch.setattr("pyarrow.parquet.write_table", full)
    monkeypatch.setenv("ERLNET_ROOT", str(folder.root.parents[2]))
    (folder.root.parents[2] / "params.yaml").write_text("profiles: {demo: {crop: {size: 64}}}\n")
    assert stage.main("crop", CropParams, crop.run, ["--subject", "someone", "--profile", "demo"]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("crop: error")]
    assert len(errors) == 1
    assert "the disk is full" in errors[0]
    assert {path.name for path in folder.root.iterdir()} == {"source.video", "runs"}


def test_nothing_holds_the_video_in_memory(folder, face):
    """Peak memory does not grow with the clip: held pictures of 0.9 MB would add 130 MB."""
    peaks = []
    for seconds in (2, 8):
        sound = clicking(seconds, 48000, [])
        write_clip(folder.source, lambda _: face, constant_times(seconds, 25), sound, container="mp4")
        crop.run(folder, CropParams(size=768))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    assert peaks[1] - peaks[0] < 50
    assert len(list(read_frames(folder.video))) == 200
