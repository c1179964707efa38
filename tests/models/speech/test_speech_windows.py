"""Long sound in windows, against a linear encoder whose features are known in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.speech.windows import Framing, encode_in_windows

FRAMING = Framing(hop=4, field=10, window=20, step=6)


def encode(samples: np.ndarray) -> np.ndarray:
    """Mean and first sample of every field: what lies in a field alone decides."""
    starts = np.arange(FRAMING.count(len(samples))) * FRAMING.hop
    return np.stack([[samples[s : s + FRAMING.field].mean(), samples[s]] for s in starts]).astype(np.float32)


@given(st.integers(1, 2000))
def test_windows_give_what_the_whole_gives(length: int) -> None:
    samples = np.random.default_rng(length).normal(size=length).astype(np.float32)
    padded = np.pad(samples, (0, max(0, FRAMING.field - length)))
    np.testing.assert_allclose(encode_in_windows(encode, samples, FRAMING), encode(padded), atol=1e-5)


@given(st.integers(21, 500))
def test_windows_cover_every_feature(count: int) -> None:
    starts = FRAMING.starts(count)
    assert starts[0] == 0
    assert starts[-1] + FRAMING.window == count
    assert (np.diff(starts) <= FRAMING.step).all()


def test_stereo_is_refused() -> None:
    with pytest.raises(ValueError, match="mono"):
        encode_in_windows(encode, np.zeros((100, 2), np.float32), FRAMING)
