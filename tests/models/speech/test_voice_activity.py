"""Voice and noise, on a real recording mixed with noise of known power."""

import numpy as np
import pytest

from models.speech.noise import signal_to_noise
from models.speech.voice_activity import HOP, VOICE, VoiceActivity, at_frames
from tasks.ingest.media import decode_sound


@pytest.fixture(scope="module")
def activity() -> VoiceActivity:
    return VoiceActivity()


@pytest.fixture(scope="module")
def voice(sample_clip) -> np.ndarray:
    """Nearly 6 s of a man speaking, with pauses."""
    return decode_sound(sample_clip)


def test_voice_is_told_from_noise_tones_and_silence(activity, voice):
    rng = np.random.default_rng(0)
    assert 0.4 < np.mean(activity(voice) >= VOICE) < 0.9
    for other in (rng.normal(0, 0.1, 48000), 0.3 * np.sin(np.arange(48000) * 0.2), np.zeros(48000)):
        assert np.mean(activity(other.astype(np.float32)) >= VOICE) < 0.05


def test_one_probability_a_hop_and_blocks_do_not_show(activity, voice):
    long = np.tile(voice, 4)
    assert len(activity(long)) == -(-len(long) // HOP)
    whole, start = activity(long), activity(long[: 100 * HOP])
    np.testing.assert_allclose(whole[:100], start, atol=1e-4)
    assert len(activity(np.zeros(0, np.float32))) == 0


def test_at_frames_interpolates_at_their_centres():
    assert at_frames(np.zeros(0), 3, 25.0).tolist() == [0, 0, 0]
    ramp = np.arange(100, dtype=np.float32)
    np.testing.assert_allclose(at_frames(ramp, 5, 25.0)[2], 0.1 * 16000 / HOP - 0.5, atol=1e-6)


@pytest.mark.parametrize("ratio", [5.0, 10.0, 15.0])
def test_the_ratio_of_a_known_mixture(activity, voice, ratio):
    speaks = np.repeat(activity(voice) >= VOICE, HOP)[: len(voice)]
    power = np.mean(np.square(voice[speaks], dtype=np.float64))
    noise = np.random.default_rng(1).normal(0, np.sqrt(power / 10 ** (ratio / 10)), len(voice))
    mixed = (voice + noise).astype(np.float32)
    assert signal_to_noise(mixed, activity(mixed)) == pytest.approx(ratio, abs=2.0)


def test_noise_without_pauses_is_never_called_cleaner_than_it_is():
    rng = np.random.default_rng(2)
    loud = np.repeat(rng.uniform(0.01, 0.3, 200), HOP) * rng.normal(size=200 * HOP)
    mixed = (loud + rng.normal(0, 0.02, len(loud))).astype(np.float32)
    truth = 10 * np.log10(np.mean(loud**2) / 0.02**2)
    assert signal_to_noise(mixed, np.ones(200)) < truth + 1
    assert signal_to_noise(mixed, np.zeros(200)) is None
    assert signal_to_noise(np.zeros(0, np.float32), np.zeros(0)) is None
