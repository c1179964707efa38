"""Interlaced pictures are shown at the time of their first field, whichever that is."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tasks.ingest.source import SourceVideo

STEP = 3  # pixels that a bar moves from field to field


def woven(k: int, first: int) -> np.ndarray:
    """Picture k of a bar that moves from field to field; the first field lies on the even lines (0) or the odd (1)."""
    out = np.full((128, 256, 3), 40, np.uint8)
    for field, lines in ((0, first), (1, 1 - first)):
        left = 10 + STEP * (2 * k + field)
        out[lines::2, left : left + 20] = 220
    return out


def write(path: Path, container: str, codec: str, order: str, first: int) -> None:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=256, height=128, format="yuv420p", time_base=Fraction(1, 25))
    mark, sink = graph.add("setfield", f"mode={order}"), graph.add("buffersink")
    source.link_to(mark)
    mark.link_to(sink)
    graph.configure()
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 128, "yuv420p"
        stream.options = {"flags": "+ildct+ilme", "b": "6000000"}
        for k in range(20):
            frame = av.VideoFrame.from_ndarray(woven(k, first), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            graph.push(frame)
            marked = graph.pull()
            marked.pict_type = 0
            out.mux(stream.encode(marked))
        out.mux(stream.encode(None))


@pytest.mark.parametrize(("order", "first"), [("tff", 0), ("bff", 1)])
@pytest.mark.parametrize(("container", "codec"), [("mp4", "libx264"), ("mpegts", "mpeg2video")])
def test_the_first_field_is_the_one_that_the_file_names(tmp_path, container, codec, order, first):
    path = tmp_path / "clip"
    write(path, container, codec, order, first)
    with SourceVideo(path) as source:
        assert source.facts.interlaced
        shown = [frame.to_ndarray(format="gray")[20:100].astype(float) for _, frame in source.frames()]
    assert len(shown) == 20
    for k in range(4, 16):
        light = np.clip(shown[k].mean(0) - 45, 0, None)
        centre = (light * (np.arange(256) + 0.5)).sum() / light.sum()
        assert (centre - 20) / (2 * STEP) == pytest.approx(k, abs=0.15)
