"""The person matte on a real picture and on none."""

import numpy as np
import pytest

from models.parsing.matte import PersonMatte
from tasks.ingest.source import SourceVideo, Upright


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
