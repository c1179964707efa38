"""Speaker on a trained ADF: any length, the subject's own frame of reference, plain refusals."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from spoken_subject import CHANNELS, HASTY, sequence, speech
from toy_head import NAMES, write_toy_head

from models.adf.eyes import blink_onsets
from tasks.adf import run
from tasks.artifacts.flame import FlameSequence, read_flame, write_flame
from tasks.artifacts.head import head_identity
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.speech import SpeechTrack, write_speech
from tasks.errors import BadInput, MissingInput
from tasks.speaker import Delivery, Speaker


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Speaker, FlameSequence]:
    root = tmp_path_factory.mktemp("repository")
    asset = AssetFolder(root / "data" / "assets").open_head
    asset.parent.mkdir(parents=True)
    write_toy_head(asset)
    folder = SubjectFolder.of("speaker", root)
    folder.root.mkdir(parents=True)
    track = speech(300)
    write_speech(folder.speech, track)
    write_flame(folder.flame, sequence(track, head_identity(asset)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERLNET_ROOT", str(root))
        run(folder, HASTY)
    return Speaker.load(folder.adf), read_flame(folder.flame)


@pytest.mark.parametrize("frames", [1, 2, 47, 200])
def test_motion_is_ready_for_the_portrait(trained: tuple[Speaker, FlameSequence], frames: int, tmp_path: Path) -> None:
    speaker, own = trained
    track = speech(frames, seed=4)
    track.frame = track.frame + 17
    made = speaker.speak(track, own)
    assert len(made) == frames
    assert made.usable.all()
    assert np.array_equal(made.frame, track.frame)
    assert np.allclose(made.t, np.arange(frames) / 25)
    assert (made.focal, made.image_size, made.fps, made.head) == (own.focal, own.image_size, own.fps, own.head)
    assert np.array_equal(made.shape, own.shape)
    assert made.parts["speech encoder"] == "e"
    assert "motion" in made.parts
    write_flame(tmp_path / "made.parquet", made)
    assert np.array_equal(read_flame(tmp_path / "made.parquet").expression, made.expression)


def test_a_seed_repeats_and_another_differs_where_it_may(trained: tuple[Speaker, FlameSequence]) -> None:
    speaker, own = trained
    track = speech(150, seed=5)
    first, again, other = (speaker.speak(track, own, seed=seed) for seed in (1, 1, 2))
    for name in ("expression", "jaw_rotation", "global_rotation", "translation", "eyes_rotation"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.global_rotation, other.global_rotation)
    # The mouth belongs to the sound, not to the seed.
    assert np.array_equal(first.jaw_rotation, other.jaw_rotation)


def test_eyes_blink_at_a_human_rate(trained: tuple[Speaker, FlameSequence]) -> None:
    speaker, own = trained
    made = speaker.speak(speech(3000, seed=6), own)
    lid = made.expression[:, NAMES.index("eyeBlinkLeft")]
    count = len(blink_onsets(torch.from_numpy((lid - lid.min()) / (lid.max() - lid.min()))))
    assert 8 * 2 <= count <= 30 * 2.2
    assert lid.max() == pytest.approx(1.0)


def test_own_style_needs_no_sequence(trained: tuple[Speaker, FlameSequence]) -> None:
    speaker, _ = trained
    assert speaker.speak(speech(30, seed=7)).usable.all()


@pytest.mark.parametrize(("frames", "scale", "level"), [(5, 1.0, 0.0), (250, 0.0, -100.0), (250, 100.0, 0.0)])
def test_sound_that_was_never_heard_moves_the_face_no_further_than_it_ever_went(
    trained: tuple[Speaker, FlameSequence], frames: int, scale: float, level: float
) -> None:
    """A fifth of a second; digital silence; features far outside everything (music, clipping)."""
    speaker, own = trained
    track = speech(frames, seed=9)
    odd = dataclasses.replace(track, features=scale * track.features, energy=np.full(frames, level, np.float32))
    made = speaker.speak(odd)
    assert made.usable.all()
    lids = [NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]
    others = [k for k in range(len(NAMES)) if k not in lids]
    for name, channels in (("expression", others), ("jaw_rotation", [0, 1, 2])):
        moved, seen = getattr(made, name)[:, channels], getattr(own, name)[:, channels]
        assert (moved >= seen.min(0) - 1e-4).all()
        assert (moved <= seen.max(0) + 1e-4).all()


def in_another_manner(own: FlameSequence, size: float, speed: int) -> FlameSequence:
    """The sequence with mouth and head going ``size`` times as far about their middle, ``speed`` times as fast."""
    sped = own.slice(0, len(own) // speed)
    names = ("expression", "jaw_rotation", "global_rotation", "neck_rotation", "translation")
    values = {name: getattr(own, name)[::speed][: len(sped)] for name in names}
    return dataclasses.replace(sped, **{name: x.mean(0) + size * (x - x.mean(0)) for name, x in values.items()})


def test_from_one_style_to_another_statistics_move_one_way(trained: tuple[Speaker, FlameSequence]) -> None:
    """What ``erlnet animate --style A --style B --blend W`` does: jaw, head and the head's speed, step by step."""
    speaker, own = trained
    calm, lively = in_another_manner(own, 0.6, 1), in_another_manner(own, 1.6, 2)
    track, steps = speech(250, seed=8), []
    for blend in (0.0, 0.25, 0.5, 0.75, 1.0):
        made = [speaker.speak(track, calm, seed, delivery=Delivery(lively, blend)) for seed in range(4)]
        turns = [motion.global_rotation + motion.neck_rotation for motion in made]
        steps.append(
            [
                float(np.std(made[0].jaw_rotation[:, 0])),
                float(np.mean([turn.std(0) for turn in turns])),
                float(np.mean([np.abs(np.diff(turn, axis=0)).mean(0) for turn in turns])),
            ]
        )
    for column in np.array(steps).T:
        assert (np.diff(column) > 0).all(), steps
        assert column[-1] > 1.3 * column[0]
    # The ends are the styles themselves.
    end = speaker.speak(track, calm, delivery=Delivery(lively, 1.0))
    assert np.allclose(end.global_rotation, speaker.speak(track, lively).global_rotation, atol=1e-5)


def change(track: SpeechTrack, **values: object) -> SpeechTrack:
    return dataclasses.replace(track, **values)


@pytest.mark.parametrize(
    ("change_of", "message"),
    [
        ({"encoder": "hubert"}, "speech features come from 'hubert' but this ADF was trained on 'e'"),
        ({"features": np.zeros((20, CHANNELS + 1), np.float32)}, f"have {CHANNELS + 1} channels"),
        ({"features": np.full((20, CHANNELS), np.nan, np.float32)}, "not finite"),
        ({"fps": 30.0}, "30.0 rows a second"),
    ],
)
def test_foreign_speech_is_refused_in_one_line(
    trained: tuple[Speaker, FlameSequence], change_of: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=message) as error:
        trained[0].speak(change(speech(20), **change_of))
    assert "\n" not in str(error.value)


def test_no_frame_and_no_style_are_refused(trained: tuple[Speaker, FlameSequence]) -> None:
    speaker, own = trained
    with pytest.raises(BadInput, match="no frame"):
        speaker.speak(speech(20).__class__(np.arange(0), np.zeros((0, CHANNELS)), np.zeros(0), "e"))
    blind = dataclasses.replace(own, expression=np.full_like(own.expression, np.nan))
    with pytest.raises(BadInput, match="no usable frame"):
        speaker.speak(speech(20), blind)
    narrow = dataclasses.replace(own, expression=own.expression[:, :3])
    with pytest.raises(BadInput, match="same head model"):
        speaker.speak(speech(20), narrow)
    with pytest.raises(BadInput, match="temperature"):
        speaker.speak(speech(20), own, temperature=-1.0)


def test_absent_weights_name_the_stage(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="the adf stage"):
        Speaker.load(tmp_path / "adf.safetensors")


def test_offset_of_motion_that_is_late(trained: tuple[Speaker, FlameSequence]) -> None:
    """The embedding is hardly trained here; moving the motion must move whatever offset it finds, up to a frame."""
    speaker, own = trained
    track = speech(300)
    found = speaker.offset(track, own)
    assert found is not None
    offset, confidence = found
    assert abs(offset) <= 15
    assert confidence >= 0
    late = 4 if offset <= 0 else -4
    rows = np.clip(np.arange(300) - late, 0, 299)
    moved = dataclasses.replace(
        own, **{n: getattr(own, n)[rows] for n in ("expression", "jaw_rotation", "eyes_rotation")}
    )
    again = speaker.offset(track, moved)
    assert again is not None
    assert abs(again[0] - offset - late) <= 1


def test_no_offset_of_too_little_and_of_frames_that_are_not_tracked(trained: tuple[Speaker, FlameSequence]) -> None:
    speaker, own = trained
    track = speech(300)
    assert speaker.offset(dataclasses.replace(
        track, frame=track.frame[:20], features=track.features[:20], energy=track.energy[:20]
    ), own.slice(0, 20)) is None  # fmt: skip
    lost = dataclasses.replace(own, expression=own.expression.copy())
    lost.expression[7] = np.nan
    assert speaker.offset(track, lost) is None
    with pytest.raises(ValueError, match="300 rows of speech"):
        speaker.offset(track, own.slice(0, 100))
