"""When each decoded picture is shown, whatever the container knows of time."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any


def dated(
    frames: Iterable[Any], by_decoding: bool, period: float, first_packet: Callable[[], int | None]
) -> Iterator[Any]:
    """The frames, each with a ``pts`` greater than its predecessor's; those that cannot have one are left out.

    Most containers store presentation times.  AVI stores none, and what FFmpeg guesses for it is a frame late, or out
    of order where there are B-frames; but AVI has one packet a frame period, so that the decoding times, less the
    decoder's delay, are right: by_decoding.  A frame without a time follows its predecessor by one ``period``
    (seconds); before the first frame with a time it lies before the file's zero and is not shown.

    first_packet: decoding time of the stream's first packet, known once a frame is there.
    """
    delay: int | None = None
    previous: int | None = None
    for frame in frames:
        ticks = frame.dts if by_decoding else frame.pts
        if ticks is not None and by_decoding:
            delay = ticks - (first_packet() or 0) if delay is None else delay
            ticks -= delay
        if ticks is None and previous is not None:
            ticks = previous + max(1, round(period / frame.time_base))
        if ticks is not None and (previous is None or ticks > previous):
            previous = frame.pts = ticks
            yield frame
