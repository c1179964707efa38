"""The person matte on a real picture and on none."""

import numpy as np
import pytest

from models.parsing.matte import PersonMatte, every_nth_matte
from tasks.ingest.source import SourceVideo
from tasks.ingest.upright import Upright


def test_a_person_before_a_wall(sample_clip):
    with SourceVideo(sample_clip) as source:
        picture = Upright(source.facts, (256, 256), (80, 0, 560, 480))(next(source.frames())[1])
    with PersonMatte() as matte:
        share = matte(picture)
        assert share.shape == (256, 256)
        assert share.dtype == np.float32
        assert share.min() >= 0
        assert share.max() <= 1
        assert share[100, 102] > 0.9  # the face
        assert share[240, 110] > 0.9  # the chest
        assert share[20:60, 220:250].max() < 0.1  # the shelves
        assert np.array_equal(matte(picture), share)
        with pytest.raises(ValueError, match="uint8 RGB"):
            matte(picture.astype(np.float32))


@pytest.mark.parametrize("every", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 10, 11])
def test_mattes_between_are_interpolated(every, count):
    """A matte that grows by the same amount each frame comes back exactly, whichever frames it was measured on."""
    asked = []

    def matte(picture):
        asked.append(int(picture[0, 0]))
        return picture / 16

    frames = [(k, np.full((2, 2), float(k))) for k in range(count)]
    result = list(every_nth_matte(iter(frames), matte, every))
    assert [item for item, _, _ in result] == list(range(count))
    for k, picture, share in result:
        assert (picture == k).all()
        np.testing.assert_allclose(share, k / 16, atol=1e-12)
    expected = list(range(0, count, every))
    assert asked == expected + ([count - 1] if count and expected[-1] != count - 1 else [])
