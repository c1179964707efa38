"""Decoded frames to the pictures that are worked on: upright, square pixels, BT.709 colours, cut and scaled."""

import itertools
from fractions import Fraction
from typing import Any

import av
import numpy as np

from tasks.ingest.colour import add_tone_mapping, matrix_and_range, transfer_of
from tasks.ingest.facts import StreamFacts

_TURN = {90: ("clock",), 270: ("cclock",), 0: (), 180: ("clock", "clock")}
Box = tuple[int, int, int, int]


class Upright:
    """Converts decoded frames: rotation undone, pixels made square, cut, scaled, HDR tone-mapped.

    box: x0, y0, x1, y1 of the part to keep, pixels of the upright picture (None: all of it); even numbers.
    size: width, height of the result.  The scaling averages areas, so that shrinking does not alias.
    pixels: "rgb24", or "yuv420p": what VideoWriter.write_frame encodes as it is (BT.601 matrix, limited range).
    """

    def __init__(self, facts: StreamFacts, size: tuple[int, int], box: Box | None = None, pixels: str = "rgb24"):
        self._facts, self._size, self._box, self._pixels = facts, size, box, pixels
        self._graph: Any = None
        self._key: tuple[Any, ...] = ()

    def __call__(self, frame: Any) -> np.ndarray:
        """uint8 RGB [height, width, 3] of one frame."""
        return self.frame(frame).to_ndarray(format="rgb24")

    def frame(self, frame: Any) -> Any:
        """The av.VideoFrame of one frame, in the format ``pixels``, without a time."""
        key = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range, transfer_of(frame))
        if key != self._key:
            self._graph, self._key = self._build(frame), key
        frame.pts = None
        self._graph.push(frame)
        return self._graph.pull()

    def _build(self, frame: Any) -> Any:
        facts, graph = self._facts, av.filter.Graph()
        chain = [graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
        )]  # fmt: skip
        turned = facts.rotation in (90, 270)
        coded = (facts.height, facts.width) if turned else (facts.width, facts.height)
        if (frame.width, frame.height) != coded:  # non-square pixels, or a stream that changes its size
            chain.append(graph.add("scale", f"w={coded[0]}:h={coded[1]}:flags=area"))
        # Cut and shrunk before it is turned and its colours are mapped: only what is kept costs time.
        if self._box is not None:
            x0, y0, x1, y1 = before_turning(self._box, facts.rotation, *coded)
            chain.append(graph.add("crop", f"w={x1 - x0}:h={y1 - y0}:x={x0}:y={y0}"))
        width, height = reversed(self._size) if turned else self._size
        matrix, span = matrix_and_range(frame)
        scale = f"w={width}:h={height}:flags=area+accurate_rnd+full_chroma_int:in_color_matrix={matrix}:in_range={span}"
        mapping = add_tone_mapping(graph, transfer_of(frame))
        written = ":out_color_matrix=bt601:out_range=limited" if self._pixels == "yuv420p" else ""
        if mapping:
            chain += [graph.add("scale", scale), *mapping]
            chain.append(graph.add("scale", f"flags=area+accurate_rnd+full_chroma_int{written}"))
        else:
            chain.append(graph.add("scale", scale + written))
        chain.append(graph.add("format", f"pix_fmts={self._pixels}"))
        chain += [graph.add("transpose", direction) for direction in _TURN[facts.rotation]]
        chain.append(graph.add("buffersink"))
        for first, second in itertools.pairwise(chain):
            first.link_to(second)
        graph.configure()
        return graph


def before_turning(box: Box, rotation: int, width: int, height: int) -> Box:
    """Where ``box`` of the upright picture lies in the picture of width x height that is turned by ``rotation``."""
    x0, y0, x1, y1 = box
    if rotation == 90:
        return y0, height - x1, y1, height - x0
    if rotation == 180:
        return width - x1, height - y1, width - x0, height - y0
    if rotation == 270:
        return width - y1, x0, width - y0, x1
    return box
