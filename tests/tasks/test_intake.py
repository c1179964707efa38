"""What is refused because nothing can be done with it, each with one line; what is accepted, described."""

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


def refusal(path) -> str:
    with pytest.raises(BadInput) as caught:
        inspect(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_no_audio_stream(tmp_path, face):
    assert "has no audio stream" in refusal(make(tmp_path / "mute.mp4", lambda _: face, sound=False))


def test_too_small_a_picture(tmp_path, face):
    small = cv2.resize(face, (128, 96), interpolation=cv2.INTER_AREA)
    assert "128x96, too small" in refusal(make(tmp_path / "small.mp4", lambda _: small))


def test_sound_only(tmp_path):
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(16000))
    assert "has no video stream (only sound)" in refusal(path)


def test_command_line(tmp_path, sample_clip, capfd):
    assert main([str(sample_clip), "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["streams"]["video_codec"] == "h264"
    assert main([str(tmp_path / "nothing.mp4")]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("intake: error: ")
