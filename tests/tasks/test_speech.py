"""The speech stage: rows go with frames, energy in dBFS, loudness, refusals."""

import numpy as np
import pytest

from tasks import speech
from tasks.artifacts.audio import write_audio
from tasks.artifacts.frames import FrameTable, write_frames
from tasks.artifacts.layout import AssetFolder
from tasks.artifacts.speech import read_speech
from tasks.errors import BadInput, DamagedArtifact, MissingInput
from tasks.ingest.media import decode_sound
from tasks.speech import SpeechParams, encode, frame_energy, interpolate, normalising_gain
from tasks.speech_encoder import encoder_path

pytestmark = pytest.mark.usefixtures("moonshine_path")


def tone(seconds, level=0.1):
    t = np.arange(round(seconds * 16000)) / 16000
    return (level * np.sin(2 * np.pi * 220 * t) * (1 + np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def table(frames):
    ids = np.arange(frames)
    box = np.zeros((frames, 4), np.float32)
    return FrameTable(ids, ids / 25, ids / 25, box, np.ones(frames, np.float32), {"fps": 25.0, "image_size": 64})


def test_the_stage_writes_one_row_a_frame(folder):
    write_audio(folder.audio, tone(2))
    write_frames(folder.frames, table(50))
    speech.run(folder, SpeechParams())
    track = read_speech(folder.speech)
    assert len(track) == 50
    assert track.groups == (("encoder", 288), ("mel", 16), ("melody", 2), ("voice", 1))
    assert track.features.shape == (50, 307)
    assert np.isfinite(track.features).all()
    assert track.encoder.startswith("moonshine tiny-en encoder ")


def test_sound_and_frames_must_belong_together(folder):
    write_audio(folder.audio, tone(2))
    write_frames(folder.frames, table(60))
    with pytest.raises(DamagedArtifact, match="32000 samples do not go with 60 frames"):
        speech.run(folder, SpeechParams())
    assert not folder.speech.exists()


def test_missing_inputs_name_their_maker(folder, monkeypatch, tmp_path):
    with pytest.raises(MissingInput, match="crop"):
        speech.run(folder, SpeechParams())
    monkeypatch.setattr(AssetFolder, "default", classmethod(lambda cls: AssetFolder(tmp_path)))
    with pytest.raises(MissingInput, match="erlnet assets fetch moonshine"):
        encode(tone(1))
    (tmp_path / "moonshine_tiny_en_encoder.ort").write_bytes(b"x")
    with pytest.raises(DamagedArtifact, match="not a network"):
        encode(tone(1))


@pytest.mark.parametrize(("seconds", "frames"), [(2, 50), (0.04, 1), (0.001, 1), (1.03, 26)])
def test_rows_follow_the_sound(seconds, frames):
    assert len(encode(tone(seconds))) == frames


def test_rows_past_the_sound_hold_the_last_feature():
    track = encode(tone(1), 40)
    assert len(track) == 40
    assert np.array_equal(track.features[-1], track.features[-10])
    assert (track.energy[26:] == -100).all()


def test_how_loud_it_was_recorded_does_not_matter():
    loud, quiet = encode(tone(2, 0.3)), encode(tone(2, 0.03))
    # The encoder's 8-bit arithmetic leaves about 2 % (models/speech/moonshine.py).
    assert np.linalg.norm(loud.features - quiet.features) < 0.06 * np.linalg.norm(loud.features)
    assert np.allclose(loud.energy - quiet.energy, 20, atol=0.05)


def test_bad_sound_is_refused():
    for bad in (np.zeros(0), np.zeros((2, 100)), np.array([0.0, np.nan])):
        with pytest.raises(BadInput):
            encode(bad)


def test_energy_of_a_known_signal():
    full = np.ones(640 * 3, np.float32)
    full[640:1280] = 0.1
    full[1280:] = 0
    assert frame_energy(full, 3, 25.0) == pytest.approx([0, -20, -100], abs=1e-3)
    square = np.where(np.arange(6400) % 2 == 0, 0.5, -0.5).astype(np.float32)
    assert frame_energy(square, 10, 25.0) == pytest.approx([-6.0206] * 10, abs=1e-3)


def test_gain_reaches_the_target_and_is_bounded():
    samples = np.where(np.arange(16000) % 2 == 0, 0.5, -0.5).astype(np.float32)
    gain = normalising_gain(samples, SpeechParams(loudness=-23))
    assert 20 * np.log10(0.5 * gain) == pytest.approx(-23, abs=1e-3)
    assert normalising_gain(samples * 1e-5, SpeechParams(max_gain=30)) == pytest.approx(10**1.5)


def test_interpolation_against_numpy():
    rng = np.random.default_rng(0)
    values, times = rng.normal(size=(30, 4)), np.sort(rng.uniform(0, 2, 30))
    at = np.linspace(-0.5, 2.5, 77)
    expected = np.stack([np.interp(at, times, values[:, k]) for k in range(4)], 1)
    assert np.allclose(interpolate(values, times, at), expected, atol=1e-6)
    assert np.array_equal(interpolate(values[:1], times[:1], at), np.repeat(values[:1].astype(np.float32), 77, 0))


def test_an_encoder_that_is_not_here_names_the_doctor(monkeypatch, tmp_path):
    monkeypatch.setattr(AssetFolder, "default", classmethod(lambda cls: AssetFolder(tmp_path)))
    with pytest.raises(BadInput, match=r"licensed/hubert is missing: 'erlnet doctor' says where"):
        encode(tone(1), params=SpeechParams(encoder="hubert"))
    with pytest.raises(BadInput, match="no speech encoder 'whisper 12ab' here"):
        encoder_path("whisper 12ab", AssetFolder(tmp_path))


def test_with_bounded_look_ahead_later_sound_changes_nothing():
    rng = np.random.default_rng(3)
    sound = (tone(6) * rng.uniform(0.2, 1, size=96000)).astype(np.float32)
    first = encode(sound, lookahead=2)
    changed = sound.copy()
    changed[3 * 16000 :] = 0
    again = encode(changed, lookahead=2)
    same = 75 - 2 - 3  # frames: the look-ahead, and the rest of a piece of four
    assert np.array_equal(first.features[:same], again.features[:same])
    assert not np.allclose(first.features[75:], again.features[75:])
    assert first.groups == encode(sound).groups
    with pytest.raises(BadInput, match="at least 1"):
        encode(sound, lookahead=0)
    assert len(encode(sound[:100], lookahead=1)) == 1


def test_the_last_feature_says_whether_somebody_speaks(sample_clip):
    voice = decode_sound(sample_clip)[: 3 * 16000]
    for level in (1.0, 0.01):  # 40 dB quieter is a quiet recording, not silence
        assert np.mean(encode(level * voice).features[:, -1] > 0.5) > 0.4
    t = np.arange(2 * 16000) / 16000
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6)).astype(np.float32)
    for other in (np.zeros(32000, np.float32), 0.1 * chord, np.random.default_rng(0).normal(0, 1e-3, 32000)):
        assert np.mean(encode(other).features[:, -1] > 0.5) < 0.05
