"""The gates on clips: the sample, what was done to it, and real clips where they are."""

import json

import cv2
import numpy as np
import pytest
from synthetic_media import constant_times, write_clip

from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import GateRecord, overall
from tasks.check import GATES, check, main
from tasks.crop import CropParams
from tasks.crop import run as crop
from tasks.gates.limits import GateLimits
from tasks.ingest.media import decode_sound
from tasks.ingest.source import SourceVideo
from tasks.ingest.upright import Upright
from tasks.params import load_shared

SECONDS = 5.6
LIMITS = load_shared(GateLimits, "gates")


@pytest.fixture(scope="module")
def pictures(sample_clip) -> list[np.ndarray]:
    """The sample at 25 frames a second and half size."""
    with SourceVideo(sample_clip) as source:
        upright = Upright(source.facts, (320, 240))
        found = [(time, upright(frame)) for time, frame in source.frames()]
    times = np.array([time for time, _ in found])
    return [found[int(np.abs(times - times[0] - k / 25).argmin())][1] for k in range(round(SECONDS * 25))]


@pytest.fixture(scope="module")
def voice(sample_clip) -> np.ndarray:
    return decode_sound(sample_clip, rate=48000)[None, : round(SECONDS * 48000)]


def verdicts(path) -> dict[str, GateRecord]:
    return {record.gate: record for record in check(path).gates}


def made(path, pictures, voice, change) -> dict[str, GateRecord]:
    """The gates on the sample's pictures after ``change(number, picture)``."""
    shown = [np.ascontiguousarray(change(k, picture)) for k, picture in enumerate(pictures)]
    write_clip(path, lambda time: shown[round(time * 25)], constant_times(SECONDS, 25), voice)
    return verdicts(path)


def test_the_sample_may_pass_with_warnings_about_its_length(sample_clip):
    said = check(sample_clip).gates
    assert overall(said) == "warn"
    assert {record.gate for record in said if record.verdict == "warn"} == {"duration", "speech", "lips follow sound"}
    assert all(record.advice for record in said if record.verdict != "pass")


def pasted(picture: np.ndarray, width: int) -> np.ndarray:
    out = np.full_like(picture, 120)
    small = cv2.resize(picture, (width, width * 3 // 4), interpolation=cv2.INTER_AREA)
    out[: len(small), :width] = small
    return out


def beside(picture: np.ndarray) -> np.ndarray:
    half = picture[:, 60:220]
    return np.concatenate([half, half], 1)


CHANGES = {
    "face size": lambda k, picture: pasted(picture, 210),
    "face in view": lambda k, picture: picture if k < 70 else np.full_like(picture, 90),
    "other faces": lambda k, picture: beside(picture),
    "cuts": lambda k, picture: picture if k // 14 % 2 else 255 - picture[:, ::-1],
    "camera motion": lambda k, picture: np.roll(picture, round(24 * np.sin(k / 12)), axis=1),
    "blur": lambda k, picture: cv2.GaussianBlur(picture, (0, 0), 4),
    "exposure": lambda k, picture: np.clip(picture.astype(int) * 5 // 2, 0, 255).astype(np.uint8),
    "mouth open": lambda k, picture: pictures_still(picture),
}
_first: list[np.ndarray] = []


def pictures_still(picture: np.ndarray) -> np.ndarray:
    _first.append(picture)
    return _first[0]


@pytest.mark.parametrize("gate", CHANGES)
def test_what_is_done_to_the_sample_is_noticed(gate, tmp_path, pictures, voice):
    said = made(tmp_path / "clip.mp4", pictures, voice, CHANGES[gate])
    assert said[gate].verdict == "fail", {name: record.line for name, record in said.items()}


def test_the_gates_judge_whom_the_crop_takes(tmp_path, pictures, voice, monkeypatch):
    """Someone nearer to the camera is there for the first second, and in the pictures that are looked at first."""

    def two(k: int, picture: np.ndarray) -> np.ndarray:
        small = cv2.resize(picture, (240, 180), interpolation=cv2.INTER_AREA)
        out = np.full((240, 480, 3), 120, np.uint8)
        out[:180, 240:] = small
        if k < 22:
            out[:, :240] = picture[:, 40:280]
        return out

    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    folder = SubjectFolder.of("two", tmp_path)
    folder.root.mkdir(parents=True)
    shown = [two(k, picture) for k, picture in enumerate(pictures)]
    write_clip(folder.source, lambda time: shown[round(time * 25)], constant_times(SECONDS, 25), voice, container="mp4")
    size = {record.gate: record for record in check(folder.source, LIMITS).gates}["face size"].value
    taken = crop(folder, CropParams(size=64)).header
    assert taken["crop_box"][0] >= 200

    assert size == pytest.approx(taken["face_height"], rel=0.1)


def test_a_clip_of_noise_says_nothing(tmp_path, pictures, voice):
    noise = np.random.default_rng(0).normal(0, 0.1, voice.shape).astype(np.float32)
    said = made(tmp_path / "clip.mp4", pictures, noise, lambda _, picture: picture)
    assert said["speech"].verdict == "fail"
    assert said["noise"].verdict == "not measured"


def test_command_line(tmp_path, sample_clip, capfd):
    assert main([str(sample_clip), "--json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert data["verdict"] == "warn"
    assert GateRecord.model_validate(data["gates"][0]).gate == "duration"
    assert data["treatments"] == ["2 sound channels mixed to one"]
    assert main([str(tmp_path / "nothing.mp4")]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


def test_it_says_that_an_hdr_source_will_be_tone_mapped(tmp_path, pictures, voice, capfd):
    path = tmp_path / "hdr.mkv"
    write_clip(
        path, lambda time: pictures[round(time * 25)], constant_times(1.0, 25), voice[:, :48000], codec="libx265",
        pixels="yuv420p10le", colour=(9, 1, 18, 9), container="matroska",
        options={"preset": "ultrafast", "x265-params": "log-level=none"},
    )  # fmt: skip
    said = check(path)
    assert said.treatments == ["HDR (HLG) tone-mapped to SDR by BT.2446 method A"]
    assert len(said.gates) == len(GATES)
    assert main([str(path)]) == 2  # too short: that it is HDR is no reason
    assert "will be treated: HDR (HLG) tone-mapped" in capfd.readouterr().out


def test_a_truncated_clip_is_refused_or_judged(tmp_path, sample_clip, capfd):
    data = sample_clip.read_bytes()
    for number, share in enumerate((0.3, 0.6, 0.95)):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(data[: round(share * len(data))])
        status = main([str(path), "--json"])
        captured = capfd.readouterr()
        assert status in (0, 2)
        if captured.out:
            assert len(json.loads(captured.out)["gates"]) == len(GATES)
        else:
            assert status == 2
            assert len([line for line in captured.err.splitlines() if line.startswith("check: error: ")]) == 1


@pytest.mark.parametrize(
    ("name", "verdict", "failing"),
    [
        ("anchor_71s_512.mp4", "warn", set()),
        ("address_a_8s_512.mp4", "warn", set()),
        ("actor_20s_1080x1920.mp4", "fail", {"lips follow sound"}),
        ("actress_gestures_20s_1080x1920.mp4", "fail", {"lips follow sound"}),
        ("face_then_no_face_4s.mov", "fail", {"face in view", "speech"}),
    ],
)
def test_real_clips(name, verdict, failing, clip):
    said = check(clip(name)).gates
    assert {record.gate for record in said if record.verdict == "fail"} == failing
    assert overall(said) == verdict
