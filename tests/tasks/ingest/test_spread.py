"""Pictures spread over a clip, by seeking or, where that fails, from the start."""

import numpy as np
import pytest
from synthetic_media import constant_times, write_clip

from tasks.ingest.source import SourceVideo
from tasks.ingest.spread import spread_pictures


@pytest.mark.parametrize("seekable", [True, False])
def test_pictures_come_from_all_over_the_clip(tmp_path, monkeypatch, seekable):
    picture = np.full((96, 128, 3), 90, np.uint8)
    options = {"preset": "ultrafast", "g": "5"}
    path = write_clip(tmp_path / "a.mp4", lambda _: picture, constant_times(4, 25), None, options=options)
    if not seekable:
        monkeypatch.setattr(SourceVideo, "frame_near", lambda *_: None)
    with SourceVideo(path) as source:
        times = [float(frame.pts * frame.time_base) for frame in spread_pictures(source, 4.0, 8)]
    assert len(times) == 8
    assert np.all(np.diff(times) > 0)
    assert times[0] < 0.6
    assert times[-1] > 3.2
