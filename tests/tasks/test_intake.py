"""What is refused at the door, each with one line; what is accepted, described."""

import json
import wave

import cv2
import numpy as np
import pytest
from synthetic_media import clicking, constant_times, write_clip

from tasks.errors import BadInput
from tasks.ingest.source import SourceVideo
from tasks.ingest.upright import Upright
from tasks.intake import inspect, main


@pytest.fixture(scope="module")
def face(sample_clip) -> np.ndarray:
    """A picture with one face, 480x640."""
    with SourceVideo(sample_clip) as source:
        return Upright(source.facts, (640, 480))(next(source.frames())[1])


def grey(_):
    return np.full((480, 640, 3), 120, np.uint8)


def make(path, picture, seconds=4.0, fps=25.0, sound=True, **more):
    noise = clicking(seconds, 48000, [0.5]) if sound else None
    return write_clip(path, picture, constant_times(seconds, fps), noise, **more)


def test_the_sample_is_accepted_and_described(sample_clip):
    facts = inspect(sample_clip)
    assert (facts.streams.width, facts.streams.height) == (640, 480)
    assert facts.streams.fps == pytest.approx(29.97, abs=0.01)
    assert facts.streams.audio_rate == 48000
    assert facts.duration == pytest.approx(5.77, abs=0.05)
    assert facts.with_face == facts.sampled == 20
    assert facts.several_faces == 0
    assert 140 < facts.face_height < 200
    assert -60 < facts.loudness < -10


def refusal(path) -> str:
    with pytest.raises(BadInput) as caught:
        inspect(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_no_audio_stream(tmp_path, face):
    assert "has no audio stream" in refusal(make(tmp_path / "mute.mp4", lambda _: face, sound=False))


def test_no_face(tmp_path):
    assert "no face was found in 20 sampled pictures" in refusal(make(tmp_path / "grey.mp4", grey))


def test_too_short(tmp_path, face):
    assert "at least 3 s are needed" in refusal(make(tmp_path / "short.mp4", lambda _: face, seconds=2.6))


def test_too_small_a_picture(tmp_path, face):
    small = cv2.resize(face, (128, 96), interpolation=cv2.INTER_AREA)
    assert "128x96, too small" in refusal(make(tmp_path / "small.mp4", lambda _: small))


def test_too_small_a_face(tmp_path, face):
    picture = np.full((480, 640, 3), 150, np.uint8)
    picture[:150, :200] = cv2.resize(face, (200, 150), interpolation=cv2.INTER_AREA)
    message = refusal(make(tmp_path / "far.mp4", lambda _: picture))
    assert "pixels high, at least 64 are needed" in message


def test_a_face_that_leaves(tmp_path, face):
    def picture(time):
        return face if time < 1.2 else grey(time)

    path = make(tmp_path / "leaves.mp4", picture, options={"preset": "ultrafast", "g": "10"})
    assert "a face was found in only" in refusal(path)


def test_too_few_frames_a_second(tmp_path, face):
    assert "5.0 frames a second" in refusal(make(tmp_path / "slow.mkv", lambda _: face, fps=5.0))


def test_silence(tmp_path, face):
    silent = np.zeros((1, 4 * 48000), np.float32)
    path = write_clip(tmp_path / "silent.mkv", lambda _: face, constant_times(4, 25), silent, audio_codec="pcm_s16le")
    assert "the sound is silent" in refusal(path)


def test_sound_only(tmp_path):
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(16000))
    assert "has no video stream (only sound)" in refusal(path)


def test_a_file_that_cannot_be_sought_in_is_looked_at_from_its_start(tmp_path, face, monkeypatch):
    monkeypatch.setattr(SourceVideo, "frame_near", lambda *_: None)
    facts = inspect(make(tmp_path / "stream.ts", lambda _: face, container="mpegts"))
    assert facts.with_face == facts.sampled == 20


def test_command_line(tmp_path, sample_clip, capfd):
    assert main([str(sample_clip), "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["streams"]["video_codec"] == "h264"
    assert main([str(tmp_path / "nothing.mp4")]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("intake: error: ")
