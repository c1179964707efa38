"""The Moonshine encoder: rate, place, windows without seams, determinism."""

import numpy as np
import pytest

from models.speech.moonshine import CHANNELS, FRAMING, MoonshineEncoder


@pytest.fixture(scope="module")
def encoder(moonshine_path) -> MoonshineEncoder:
    return MoonshineEncoder(moonshine_path.read_bytes())


def noise(samples: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    envelope = np.repeat(rng.uniform(0, 0.3, samples // 1600 + 1), 1600)[:samples]
    return (rng.normal(0, 1, samples) * envelope).astype(np.float32)


@pytest.mark.parametrize("samples", [1, 600, FRAMING.field, FRAMING.field + FRAMING.hop, 16000, 48000, 100000])
def test_shape(encoder, samples):
    features = encoder(noise(samples))
    assert features.shape == (FRAMING.count(samples), CHANNELS)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_rate_and_place_follow_from_the_convolutions():
    """The network's own output length: ((L - 127) // 64 + 1 - 7) // 3 + 1 - 3) // 2 + 1, padding none."""
    for samples in (FRAMING.field, 1000, 16000, 16383, 80000):
        assert FRAMING.count(samples) == (((samples - 127) // 64 + 1 - 7) // 3 + 1 - 3) // 2 + 1
    assert FRAMING.hop == 64 * 3 * 2
    assert FRAMING.field == 127 + (7 - 1) * 64 + (3 - 1) * 64 * 3
    assert np.allclose(FRAMING.times(3), [447.5 / 16000, 831.5 / 16000, 1215.5 / 16000])


def test_a_change_of_sound_changes_the_features_round_it(encoder):
    # Both sounds are equally loud: the first normalisation takes in the whole window.
    first, second = noise(64000), noise(64000)
    second[32000:36000] = second[32000:36000][::-1]
    change = np.linalg.norm(encoder(second) - encoder(first), axis=1)
    times = FRAMING.times(len(change))
    near = np.abs(times - 34000 / 16000) < 0.2
    assert near[change.argmax()]
    assert change[near].mean() > 2 * change[~near].mean()


def test_one_window_is_the_plain_network(encoder):
    samples = noise((FRAMING.window - 1) * FRAMING.hop + FRAMING.field)
    assert np.array_equal(encoder(samples), encoder._encode(samples))


def test_long_sound_has_no_seams(encoder):
    """Steps between neighbouring features are no larger where a window begins or ends than elsewhere."""
    features = encoder(noise(16000 * 20))
    assert features.shape[0] == FRAMING.count(16000 * 20)
    steps = np.linalg.norm(np.diff(features, axis=0), axis=1)
    starts = FRAMING.starts(len(features))
    edges = sorted(
        {s for s in starts if s} | {s + FRAMING.window for s in starts if s + FRAMING.window < len(features)}
    )
    at_edges = steps[np.array(edges) - 1]
    assert np.median(at_edges) < 1.2 * np.median(steps)
    assert at_edges.max() <= np.quantile(steps, 0.999) * 1.1


def test_the_network_sees_windows_of_bounded_length(encoder, monkeypatch):
    lengths = []
    plain = MoonshineEncoder._encode
    monkeypatch.setattr(MoonshineEncoder, "_encode", lambda self, x: (lengths.append(len(x)), plain(self, x))[1])
    encoder(noise(16000 * 15))
    assert set(lengths) == {(FRAMING.window - 1) * FRAMING.hop + FRAMING.field}


def test_windows_cover_everything():
    for count in (FRAMING.window + 1, FRAMING.window + FRAMING.step, 3 * FRAMING.window, 1000):
        covered = np.zeros(count, int)
        for start in FRAMING.starts(count):
            assert start + FRAMING.window <= count
            covered[start : start + FRAMING.window] += 1
        assert covered.min() >= 1
        assert (
            covered[FRAMING.window : -FRAMING.window].size == 0 or covered[FRAMING.window : -FRAMING.window].min() >= 3
        )


def test_the_same_sound_gives_the_same_features(encoder, moonshine_path):
    samples = noise(80000)
    again = MoonshineEncoder(moonshine_path.read_bytes())
    assert np.array_equal(encoder(samples), again(samples))
    assert encoder.name == again.name
    assert "94e90a4654fc" in encoder.name


def test_bytes_that_are_no_network():
    with pytest.raises(ValueError, match="not a network"):
        MoonshineEncoder(b"nonsense" * 100)


def test_stereo_is_refused(encoder):
    with pytest.raises(ValueError, match="mono"):
        encoder(np.zeros((2, 16000), np.float32))
