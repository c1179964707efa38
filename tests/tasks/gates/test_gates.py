"""Every gate on surveys made by hand: one that passes, one that trips it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from models.landmarks.face_mesh import LANDMARKS
from models.quality import lip_sync
from models.quality.cuts import SIDE
from models.speech.voice_activity import HOP
from tasks.check import GATES
from tasks.gates import sync
from tasks.gates.limits import GateLimits
from tasks.gates.person import Faces
from tasks.gates.survey import SOUND_SECONDS, STRETCH_SECONDS, Stretch, Survey, hidden_share, stretch_starts
from tasks.ingest.facts import StreamFacts
from tasks.params import load_shared
from tests.models.quality.test_face_pose import mesh
from tests.models.quality.test_lip_sync import speech

SECONDS, FPS = 40, 25.0


def facts(fps: float = FPS) -> StreamFacts:
    return StreamFacts(
        container="mp4", video_codec="h264", width=640, height=480, fps=fps, duration=SECONDS, rotation=0,
        sample_aspect=1.0, video_start=0.5, pixel_format="yuv420p", bits=8, transfer="sdr", interlaced=False,
        audio_codec="aac", audio_rate=48000, audio_channels=1, audio_streams=1, audio_track=1, audio_language=None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def good() -> Survey:
    """A person who speaks for 40 s, in sync, with a pause every ten seconds."""
    frames = round(SECONDS * FPS)
    mouth, sound = speech(0, frames)
    opening = np.clip(mouth[:, 0], 0, None) * 0.05
    speaks = np.arange(frames) % 250 > 40
    opening[~speaks] = 0.0
    sound = sound * np.repeat(np.where(speaks, 1.0, 0.01), 640).astype(np.float32)
    points = np.concatenate([mesh(value) for value in opening])
    part = Stretch(0.5 + np.arange(frames) / FPS, points, np.full((frames, SIDE, SIDE), 90, np.float32))
    voice = np.repeat(speaks, 640)[HOP // 2 :: HOP].astype(np.float32)
    return Survey(
        facts(), float(SECONDS), [Faces(200.0)] * 50, False, [np.full((SIDE, SIDE), 90.0)] * 5, [part], [0.004] * 50,
        [0.0] * 50, [0.0] * 50, [0.001] * 49, sound, voice,
    )  # fmt: skip


@pytest.fixture(scope="module")
def limits() -> GateLimits:
    return load_shared(GateLimits, "gates")


def with_stretch(survey: Survey, **changes: np.ndarray) -> Survey:
    return replace(survey, stretches=[replace(survey.stretches[0], **changes)])


def unseen(survey: Survey) -> Survey:
    points = survey.stretches[0].mesh.copy()
    points[::4] = np.nan
    return with_stretch(survey, mesh=points)


def cut_up(survey: Survey) -> Survey:
    thumbnails = survey.stretches[0].thumbnails.copy()
    for start in range(100, 1000, 200):
        thumbnails[start : start + 100] = 180
    return with_stretch(survey, thumbnails=thumbnails)


def every_fourth(survey: Survey) -> Survey:
    part = survey.stretches[0]
    slow = Stretch(part.times[::4], part.mesh[::4], part.thumbnails[::4])
    return replace(survey, facts=facts(6.25), stretches=[slow])


def noisy(survey: Survey) -> Survey:
    power = np.sqrt(np.mean(np.square(survey.sound)))
    return replace(survey, sound=survey.sound + np.random.default_rng(0).normal(0, power, len(survey.sound)))


def late(survey: Survey, frames: int) -> Survey:
    return replace(survey, sound=np.roll(survey.sound, frames * 640), voice=np.roll(survey.voice, frames * 640 // HOP))


TRIPS = {
    "duration": lambda s: replace(s, duration=4.0),
    "frame_rate": every_fourth,
    "face_size": lambda s: replace(s, faces=[Faces(50.0)] * 50),
    "face_in_view": unseen,
    "other_faces": lambda s: replace(s, faces=[Faces(200.0, (150.0,))] * 25 + [Faces(200.0)] * 25),
    "cuts": cut_up,
    "camera_motion": lambda s: replace(s, shifts=[0.08] * 49),
    "head_turn": lambda s: with_stretch(s, mesh=np.repeat(mesh(0.1, 70.0), 1000, 0)),
    "blur": lambda s: replace(s, blur=[0.04] * 50),
    "exposure": lambda s: replace(s, lost=[0.6] * 50),
    "mouth_hidden": lambda s: replace(s, covered=[0.5] * 20 + [0.0] * 30),
    "mouth_closed": lambda s: with_stretch(s, mesh=np.repeat(mesh(0.1), 1000, 0)),
    "mouth_open": lambda s: with_stretch(s, mesh=np.repeat(mesh(0.0), 1000, 0)),
    "speech": lambda s: replace(s, voice=np.zeros_like(s.voice)),
    "noise": noisy,
    "lip_sync": lambda s: replace(s, sound=speech(7, 1000)[1]),
    "sound_offset": lambda s: late(s, 6),
}


def test_every_gate_has_a_clip_that_trips_it() -> None:
    assert set(TRIPS) == set(GATES)


def test_a_good_clip_passes_every_gate(good: Survey, limits: GateLimits) -> None:
    said = {name: gate(good, getattr(limits, name)) for name, gate in GATES.items()}
    assert {name: record.line for name, record in said.items() if record.verdict != "pass"} == {}


@pytest.mark.parametrize("name", TRIPS)
def test_what_trips_a_gate_fails_it_and_is_told_what_to_do(name: str, good: Survey, limits: GateLimits) -> None:
    record = GATES[name](TRIPS[name](good), getattr(limits, name))
    assert record.verdict == "fail", record.line
    assert record.value is not None
    assert record.advice
    assert "\n" not in record.line


def test_a_clip_without_a_face_or_a_voice_breaks_no_gate(good: Survey, limits: GateLimits) -> None:
    nothing = with_stretch(
        replace(
            good, faces=[Faces(None)] * 50, blur=[], lost=[], covered=[], shifts=[], voice=np.zeros_like(good.voice)
        ),
        mesh=np.full((1000, LANDMARKS, 3), np.nan, np.float32),
    )
    said = {name: gate(nothing, getattr(limits, name)) for name, gate in GATES.items()}
    assert said["face_in_view"].verdict == "fail"
    assert said["speech"].verdict == "fail"
    for name in ("face_size", "head_turn", "blur", "mouth_closed", "noise", "lip_sync", "sound_offset"):
        assert said[name].verdict == "not measured"
        assert said[name].advice


def test_two_equals_fail_however_seldom_they_are_seen_together(good: Survey, limits: GateLimits) -> None:
    seldom = replace(good, faces=[Faces(200.0, (400.0,))] * 5 + [Faces(200.0)] * 45, equals=True)
    record = GATES["other_faces"](seldom, limits.other_faces)
    assert (record.value, record.verdict) == (10.0, "fail")
    assert "crop it" in record.advice
    assert GATES["other_faces"](replace(seldom, equals=False), limits.other_faces).verdict == "warn"


def test_the_offset_has_a_sign_and_the_advice_goes_the_other_way(good: Survey, limits: GateLimits) -> None:
    for frames, way in ((5, "earlier"), (-5, "later")):
        record = sync.sound_offset(late(good, frames), limits.sound_offset)
        assert record.value == pytest.approx(40 * frames, abs=40)
        assert way in record.advice


def test_a_short_clip_is_doubtful_rather_than_refused(good: Survey, limits: GateLimits) -> None:
    part = good.stretches[0]
    short = replace(
        good,
        stretches=[Stretch(part.times[:200], part.mesh[:200], part.thumbnails[:200])],
        sound=speech(7, 200)[1],
        voice=good.voice[: 200 * 640 // HOP],
    )
    record = sync.lips_follow_sound(short, limits.lip_sync)
    assert record.verdict == "warn"
    assert "too short to be sure" in record.advice


def test_the_offset_of_a_short_clip_is_doubtful_rather_than_refused(good: Survey, limits: GateLimits) -> None:
    part = good.stretches[0]
    shifted = late(good, 6)
    short = replace(
        shifted,
        stretches=[Stretch(part.times[:260], part.mesh[:260], part.thumbnails[:260])],
        sound=shifted.sound[: 260 * 640],
        voice=shifted.voice[: 260 * 640 // HOP],
    )
    record = sync.sound_offset(short, limits.sound_offset)
    assert record.value == pytest.approx(240, abs=40)
    assert record.verdict == "warn"
    assert "too short to be sure" in record.advice


def test_frames_between_which_the_face_was_gone_are_not_invented() -> None:
    times = 0.5 + np.arange(50) / FPS
    points = np.repeat(mesh(0.1), 50, 0)
    points[20:30] = np.nan
    first, mouth = sync._mouth(Stretch(times, points, np.zeros((50, SIDE, SIDE), np.float32)), 0.5)
    assert first == 0
    assert len(mouth) == 50
    assert np.isnan(mouth[20:30]).all()
    assert np.isfinite(np.delete(mouth, np.arange(20, 30), 0)).all()


def test_a_hand_before_the_lips_is_one_in_the_mirror_too() -> None:
    lips = np.array([[x, 60.0] for x in range(20, 41)])
    hand = np.array([[x, y] for x in (15.0, 45.0) for y in (50.0, 70.0)])
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[:, :50] = 200

    def sees(picture: np.ndarray) -> list[np.ndarray]:
        return [hand if picture[0, 0, 0] else hand * [-1, 1] + [100, 0]]

    assert hidden_share(picture, lips, sees) == 1
    assert hidden_share(picture, lips, lambda shown: sees(shown) if shown[0, 0, 0] else []) == 0
    assert hidden_share(picture, lips, lambda _: []) == 0


def test_which_parts_of_a_clip_are_read() -> None:
    assert stretch_starts(20.0) == [(0.0, 21.0)]
    parts = stretch_starts(600.0)
    assert parts[0] == (0.0, STRETCH_SECONDS)
    assert parts[-1][1] == 600.0
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(parts))
    assert stretch_starts(1800.0) == parts  # no part lies where the sound is not read
    assert SOUND_SECONDS == 600
    assert lip_sync.FPS == FPS
