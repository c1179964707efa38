"""Interlaced pictures made whole: libavfilter's bwdif on the frames that are marked as interlaced."""

from collections.abc import Iterator
from typing import Any

import av


def deinterlaced(frames: Iterator[Any]) -> Iterator[Any]:
    """The same frames, at the same times, without combs.

    One frame comes out for each that goes in: the picture of its first field, the other field's lines filled in from
    the neighbours in time and space.  Frames before the first interlaced one pass at no cost.
    """
    graph: Any = None
    key: tuple[Any, ...] = ()
    for frame in frames:
        now = (frame.width, frame.height, frame.format.name)
        if graph is not None and now != key:
            yield from _rest(graph)
            graph = None
        if graph is None:
            if not frame.interlaced_frame:
                yield frame
                continue
            graph, key = _graph(frame), now
        graph.push(frame)
        yield from _ready(graph)
    if graph is not None:
        yield from _rest(graph)


def _graph(frame: Any) -> Any:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )  # fmt: skip
    bwdif, sink = graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    source.link_to(bwdif)
    bwdif.link_to(sink)
    graph.configure()
    return graph


def _ready(graph: Any) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _rest(graph: Any) -> Iterator[Any]:
    graph.push(None)  # it holds one frame back
    yield from _ready(graph)
