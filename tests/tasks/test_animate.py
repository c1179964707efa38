"""Animate with fake networks that keep the contracts: what is written, what it says of itself, what is refused."""

import shutil
import wave
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch
from made_subject import SIZE, FakePortrait, FakeSpeaker, flame, make_subject

import tasks.animate as animate
import tasks.redub as redub
import tasks.reenact as reenact
import tasks.tracked_video as tracked_video
from models.adf.network import Motion
from models.nerf.torso.motion import COEFFICIENTS
from tasks.animate import AnimateParams
from tasks.artifacts.flame import write_flame
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.speech import SpeechTrack
from tasks.artifacts.subject import read_subject, write_subject
from tasks.artifacts.video import VideoWriter, read_frames, read_provenance
from tasks.avatar import of_subject
from tasks.errors import BadInput
from tasks.portrait import View

SECONDS = 2.32


def fake_encode(samples: np.ndarray, encoder_file: Path, lookahead: int | None) -> SpeechTrack:
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


def test_view_and_container(folder: SubjectFolder, audio: Path, tmp_path: Path) -> None:
    out = tmp_path / "clear.webm"
    assert call(audio, out, "--background", "transparent", "--turn=-7.5,3") == 0
    assert FakePortrait.views[-1] == View("transparent", -7.5, 3.0)
    record = read_provenance(out)
    assert record is not None
    assert record["synthetic"] is True
    assert record["view"] == {"background": "transparent", "yaw": -7.5, "pitch": 3.0}
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "opus"
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert len(sound) / 48000 == pytest.approx(SECONDS, abs=0.06)
    pictures = decode_with_alpha(out)
    assert len(pictures) == round(SECONDS * 25)
    assert pictures[20][: SIZE // 8 - 2, :, 3].max() < 20  # the fake portrait is transparent there
    assert pictures[20][SIZE // 8 + 2 :, :, 3].min() > 235
    assert call(audio, tmp_path / "opaque.webm", "--background", "#ff8000") == 0
    assert FakePortrait.views[-1] == View((255, 128, 0))
    assert next(read_frames(tmp_path / "opaque.webm")).shape == (SIZE, SIZE, 3)


def decode_with_alpha(path: Path) -> list[np.ndarray]:
    """By libvpx: FFmpeg's own decoder leaves the alpha channel out."""
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    assert {frame.format.name for frame in frames} == {"yuva420p"}
    return [frame.to_ndarray(format="rgba") for frame in frames]


def test_the_subject_repeats_a_driving_video(
    folder: SubjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = flame(50)
    driver = replace(
        driver, expression=driver.expression.copy(), translation=driver.translation + np.float32([1, 1, -2])
    )
    driver.expression[:, 1] = 0.25  # the driver's resting face; the subject's is 0
    driver.expression[7] = np.nan
    own = Motion(*(torch.zeros(40, width) for width in (4 + 9, 9)))
    trained = SimpleNamespace(style=own, shape=np.ones(3), focal=96.0, image_size=SIZE, head=driver.head)
    bounds = torch.tensor([[0.0, 1.0]]).repeat(4, 1)
    monkeypatch.setattr(reenact, "read_adf", lambda path: trained)
    monkeypatch.setattr(reenact, "read_head", lambda path: SimpleNamespace(expression_range=bounds))
    monkeypatch.setattr(tracked_video, "crop_and_track", lambda place, profile, head: write_flame(place.flame, driver))
    video, out = tmp_path / "driver.mp4", tmp_path / "a.mp4"
    with VideoWriter(video, 25, 30, np.zeros(32000), 16000) as writer:
        for _ in range(50):
            writer.write(np.zeros((64, 64, 3), np.uint8))
    arguments = ["--subject", "made", "--drive", str(video), "--out", str(out)]
    assert animate.main(arguments) == 0
    moved = FakePortrait.sequences[-1]
    assert len(moved) == 50
    assert moved.head == driver.head
    np.testing.assert_array_equal(moved.shape, trained.shape)
    np.testing.assert_allclose(moved.expression[:, 1], 0, atol=1e-6)  # rest on rest
    # The mouth follows; the driver's median mouth is the subject's closed one, and no action is below 0.
    expected = (driver.expression[:, 0] - np.median(driver.expression[np.r_[:7, 8:13], 0])).clip(0)
    seen = np.r_[:7, 8:50]
    assert np.corrcoef(moved.expression[seen, 0], expected[seen])[0, 1] > 0.9
    np.testing.assert_array_equal(moved.expression[7], moved.expression[6])  # not seen: the last pose is held
    assert np.abs(moved.translation).max() <= reenact.SHIFT[0]  # the subject hardly moved, so it hardly follows
    record = read_provenance(out)
    assert record is not None
    assert record["driven_by"]["video"] == "driver.mp4"
    assert record["frames_without_face"] == 1
    heads = []
    monkeypatch.setattr(
        tracked_video,
        "crop_and_track",
        lambda place, profile, head: (heads.append(head), write_flame(place.flame, driver)),
    )
    theirs = replace(of_subject(folder), head=tmp_path / "head.safetensors", exported=True)
    reenact.reenacted(theirs, video)
    assert heads == [theirs.head]  # a file of an avatar brings its head model along
    other = SimpleNamespace(**{**vars(trained), "head": {"name": "another head", "sha256": "1" * 64}})
    monkeypatch.setattr(reenact, "read_adf", lambda path: other)
    monkeypatch.setattr(tracked_video, "crop_and_track", lambda place, profile, head: write_flame(place.flame, driver))
    assert animate.main(arguments) == 2
    assert "'fake head', but the avatar was made with 'another head'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--drive", "voice.wav", "--style", "calm"], "--style has no effect on --drive"),
        (["--drive", "none.mp4"], "--drive none.mp4: no such video file"),
        (["--drive", "voice.wav"], "voice.wav has no video stream"),
        (["--drive", "silent.mp4"], "silent.mp4 has no audio stream"),
        (["--drive", "faceless.mp4"], "faceless.mp4: "),
        (["--audio", "voice.wav", "--drive", "voice.wav"], "exactly one of"),
        ([], "exactly one of"),
    ],
)
def test_a_bad_driving_video_is_one_line_and_status_2(
    folder: SubjectFolder, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], more: list[str], expected: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reenact, "read_adf", lambda path: None)
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    for name, sound in (("silent.mp4", None), ("faceless.mp4", np.zeros(16000))):
        with VideoWriter(tmp_path / name, 25, 30, sound, 16000) as writer:
            for _ in range(25):
                writer.write(np.full((64, 64, 3), 90, np.uint8))
    assert animate.main(["--subject", "made", "--out", "a.mp4", *more]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(lines) == 1
    assert expected in lines[0]
    assert "erlnet-tracked" not in lines[0]
    assert not Path("a.mp4").exists()


def test_the_subjects_own_video_says_something_else(
    folder: SubjectFolder, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redub, "read_head", lambda path: None)
    monkeypatch.setattr(
        redub, "replace_lower_face", lambda head, upper, lower: torch.stack([upper[:, 1], lower[:, 0]], 1)
    )
    out = tmp_path / "a.mp4"
    assert animate.main(["--subject", "made", "--redub", str(audio), "--out", str(out)]) == 0
    shown, track = FakePortrait.sequences[-1], flame()
    assert len(shown) == 58  # the sound's length; the recording has 44 frames
    rows = np.r_[0:44, 42:28:-1]
    np.testing.assert_allclose(shown.translation, track.translation[rows])
    assert FakePortrait.torsos[-1] is not None
    assert FakePortrait.torsos[-1].shape == (58, 2, COEFFICIENTS)
    record = read_provenance(out)
    assert record is not None
    assert record["redubbed"] == {"recording_frames": 44, "runs": "back and forth"}
    assert record["parts"]["head motion and upper face"] == "the subject's own recording"
    np.testing.assert_array_equal(redub.back_and_forth(4, 9), [0, 1, 2, 3, 2, 1, 0, 1, 2])
    np.testing.assert_array_equal(redub.back_and_forth(1, 3), [0, 0, 0])
    np.testing.assert_array_equal(redub.back_and_forth(9, 3), [0, 1, 2])
    exported = replace(of_subject(folder), exported=True)
    with pytest.raises(BadInput, match="an avatar file does not hold: use --subject"):
        redub.redubbed(exported, animate.spoken(of_subject(folder), audio, AnimateParams(out)))


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


def test_between_two_styles_and_how_far(folder: SubjectFolder, audio: Path, tmp_path: Path) -> None:
    another(folder, "anna", "joyful")
    another(folder, "bertha", "calm")
    out = tmp_path / "a.mp4"
    for given, first, second, blend in (
        (["--style", "anna", "--style", "bertha", "--blend", "0.3"], 4.0, 6.0, 0.3),
        (["--style", "bertha", "--style", "joyful"], 6.0, 4.0, 0.5),
        (["--style", "anna", "--blend", "0.3"], None, 4.0, 0.3),
        (["--style", "anna"], 4.0, None, 0.0),
    ):
        assert call(audio, out, *given, "--strength", "1.5", "--emphasis", "0.2") == 0
        delivery = FakeSpeaker.delivery
        assert delivery is not None
        shapes = [None if s is None else float(s.shape[0]) for s in (FakeSpeaker.style, delivery.second)]
        assert shapes == [first, second]
        assert (delivery.blend, delivery.strength, delivery.emphasis) == (blend, 1.5, 0.2)
        record = read_provenance(out)
        assert record is not None
        assert (record["strength"], record["emphasis"], record.get("blend", 0.0)) == (1.5, 0.2, blend)


def test_style_of_a_video(folder: SubjectFolder, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SubjectFolder] = []

    def track(place: SubjectFolder) -> None:
        seen.append(place)
        assert place.source.resolve() == folder.video.resolve()
        write_flame(place.flame, flame(30))

    monkeypatch.setattr(tracked_video, "crop_and_track", lambda place, profile, head: track(place))
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
        (["--style", "bertha", "--style", "carl", "--style", "made"], "given 3 times"),
        (["--blend", "0.5"], "needs a --style"),
        (["--style", "bertha", "--blend", "1.5"], "--blend 1.5: give a number from 0 to 1"),
        (["--strength", "-1"], "--strength -1.0: give a number from 0 to 2"),
        (["--emphasis", "nan"], "--emphasis nan: give a number from 0 to 1"),
        (["--lookahead", "0"], "--lookahead 0: give 1 frame or more"),
        (["--size", "65"], "even number"),
        (["--size", "16"], "even number"),
        (["--subject", "nobody"], "no subject 'nobody'"),
        (["--subject", "../made"], "not allowed"),
        (["--audio", "none.wav"], "none.wav does not exist"),
        (["--out", "a.gif"], "ends in .mp4 or .webm"),
        (["--background", "transparent"], "only WebM can be transparent"),
        (["--background", "blue"], "plate, transparent or a colour as #rrggbb"),
        (["--background", "#12345"], "plate, transparent or a colour as #rrggbb"),
        (["--turn", "10.1"], "at most 10 degrees to a side and 6 up or down"),
        (["--turn=-3,-7"], "at most 10 degrees to a side and 6 up or down"),
        (["--turn", "1,2,3"], "give degrees as YAW or YAW,PITCH"),
        (["--turn", "nan"], "give degrees as YAW or YAW,PITCH"),
        (["--redub", "b.wav"], "exactly one of --audio SOUND, --drive VIDEO and --redub SOUND"),
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
