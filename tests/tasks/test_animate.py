"""Animate with fake networks that keep the contracts: what is written, what it says of itself, what is refused."""

import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from made_subject import SIZE, FakePortrait, FakeSpeaker, flame, make_subject

import tasks.animate as animate
import tasks.style as style_module
from tasks.artifacts.flame import write_flame
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.speech import SpeechTrack
from tasks.artifacts.subject import read_subject, write_subject
from tasks.artifacts.video import read_frames, read_provenance

SECONDS = 2.32


def fake_encode(samples: np.ndarray, encoder_path: Path) -> SpeechTrack:
    count = max(1, round(len(samples) / 640))
    features = np.abs(np.resize(samples, count * 640)).reshape(-1, 640).mean(1, keepdims=True).repeat(8, 1)
    return SpeechTrack(np.arange(count), features.astype("f4"), np.full(count, -20, "f4"), "fake encoder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SubjectFolder:
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    monkeypatch.setattr(animate, "Portrait", FakePortrait)
    monkeypatch.setattr(animate, "Speaker", FakeSpeaker)
    monkeypatch.setattr(animate, "encode", fake_encode)
    return make_subject(tmp_path)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """44.1 kHz stereo: a tone of 3 kHz on both sides."""
    path = tmp_path / "voice.wav"
    tone = 0.4 * np.sin(2 * np.pi * 3000 * np.arange(round(SECONDS * 44100)) / 44100)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes((tone[:, None].repeat(2, 1) * 32767).astype("<i2").tobytes())
    return path


def call(audio: Path, out: Path, *more: str) -> int:
    return animate.main(["--subject", "made", "--audio", str(audio), "--out", str(out), *more])


def another(folder: SubjectFolder, name: str, label: str) -> SubjectFolder:
    other = SubjectFolder(folder.root.parent / name)
    record = read_subject(folder.record).model_copy(update={"id": name, "style": label})
    write_subject(other.record, record)
    sequence = flame(60)
    write_flame(other.flame, replace(sequence, shape=np.full(3, len(name), np.float32)))
    return other


def test_video_with_sound_and_provenance(
    folder: SubjectFolder, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "said.mp4"
    assert call(audio, out, "--seed", "3") == 0
    assert "58 frames" in capsys.readouterr().out
    assert sum(1 for _ in read_frames(out)) == round(SECONDS * 25)
    with av.open(str(out)) as container:
        assert container.streams.audio[0].rate == 48000
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert len(sound) / 48000 == pytest.approx(SECONDS, abs=0.06)
    spectrum = np.abs(np.fft.rfft(sound[4800:52800]))
    assert spectrum.argmax() == pytest.approx(3000, abs=2)  # 1 Hz a bin
    assert np.sqrt(np.mean(sound[4800:52800] ** 2)) == pytest.approx(0.4 / np.sqrt(2), rel=0.05)
    record = read_provenance(out)
    assert record is not None
    assert record["synthetic"] is True
    assert record["subject"] == "made"
    assert record["consent"]["statement"] == "I agree"
    assert record["seed"] == 3
    assert record["driven_by"]["audio"] == "voice.wav"
    assert record["style"] == {"subject": "made"}
    assert record["parts"]["portrait"] == "fake"
    assert str(tmp_path) not in str(record)
    again = tmp_path / "again.mp4"
    assert call(audio, again, "--seed", "3") == 0
    # The pictures, not the file: x264 may spell the same pictures in different bits.
    for one, other in zip(read_frames(out), read_frames(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_size(folder: SubjectFolder, audio: Path, tmp_path: Path) -> None:
    assert call(audio, tmp_path / "small.mp4", "--size", "64") == 0
    assert next(read_frames(tmp_path / "small.mp4")).shape == (64, 64, 3)


def test_style_by_id_label_and_own(folder: SubjectFolder, audio: Path, tmp_path: Path) -> None:
    another(folder, "anna", "joyful")
    another(folder, "bertha", "calm")
    another(folder, "carl", "calm")
    out = tmp_path / "a.mp4"
    for wanted, found in (("anna", 4.0), ("joyful", 4.0), ("carl", 4.0), ("bertha", 6.0)):
        assert call(audio, out, "--style", wanted) == 0
        assert FakeSpeaker.style is not None
        assert FakeSpeaker.style.shape[0] == found
    for own in ("made", "neutral"):
        assert call(audio, out, "--style", own) == 0
        assert FakeSpeaker.style is None


def test_style_of_a_video(folder: SubjectFolder, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SubjectFolder] = []

    def track(place: SubjectFolder) -> None:
        seen.append(place)
        assert place.source.resolve() == folder.video.resolve()
        write_flame(place.flame, flame(30))

    monkeypatch.setattr(style_module, "_crop_and_track", lambda place, profile: track(place))
    assert call(audio, tmp_path / "a.mp4", "--style", str(folder.video)) == 0
    assert FakeSpeaker.style is not None
    assert len(FakeSpeaker.style) == 30
    assert not seen[0].root.exists()
    record = read_provenance(tmp_path / "a.mp4")
    assert record is not None
    assert record["style"]["video"] == "video.mp4"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--style", "nobody"], "no subject, style label or video file of this name; known: "),
        (["--style", "calm"], "several subjects have this style (bertha, carl)"),
        (["--style", "there/is/no.mp4"], "no such video file"),
        (["--style", "untracked"], "not tracked yet"),
        (["--size", "65"], "even number"),
        (["--size", "16"], "even number"),
        (["--subject", "nobody"], "no subject 'nobody'"),
        (["--subject", "../made"], "not allowed"),
        (["--audio", "none.wav"], "none.wav does not exist"),
        (["--out", "a.gif"], "ends in .mp4"),
        (["--out", "nowhere/a.mp4"], "the folder nowhere does not exist"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    folder: SubjectFolder, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str],
    expected: str,
) -> None:  # fmt: skip
    another(folder, "bertha", "calm")
    another(folder, "carl", "calm")
    another(folder, "untracked", "x").flame.unlink()
    out = tmp_path / "a.mp4"
    assert call(audio, out, *more) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith("animate: error: ")
    assert expected in lines[0]
    assert not out.exists()


def test_quarantined_subject_does_not_speak(
    folder: SubjectFolder, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = read_subject(folder.record)
    write_subject(folder.record, record.model_copy(update={"status": "quarantined", "reasons": ["two people"]}))
    assert call(audio, tmp_path / "a.mp4") == 2
    assert "two people" in capsys.readouterr().err


def test_failures_are_status_1_and_leave_nothing(
    folder: SubjectFolder, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "a.mp4"
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    monkeypatch.setattr(FakePortrait, "render", lambda *a: iter([picture] * 3))
    assert call(audio, out) == 1
    assert "3 of 58 frames" in capsys.readouterr().err

    def full(*_: Any) -> Any:
        yield picture
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr(FakePortrait, "render", full)
    assert call(audio, out) == 1
    assert "the disk is full" in capsys.readouterr().err

    def broken(*_: Any) -> Any:
        yield picture
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(FakePortrait, "render", broken)
    assert call(audio, out) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "animate: error: ZeroDivisionError: a defect"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("a.")]
