"""A few pictures spread over a whole clip, cheaply: by seeking where the file can be sought in."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tasks.ingest.source import SourceVideo

UNSOUGHT = 120.0  # seconds from the start that are looked at where the file cannot be sought in


def spread_pictures(source: SourceVideo, duration: float, count: int) -> Iterator[Any]:
    """At most ``count`` frames over ``duration`` seconds; of a file that cannot be sought in, over its start."""
    instants = (np.arange(count) + 0.5) / count * duration
    found = 0
    for seconds in instants:
        frame = source.frame_near(float(seconds))
        if frame is not None:
            found += 1
            yield frame
    if found >= count / 2:
        return
    step = min(duration, UNSOUGHT) / count
    due = source.facts.video_start + step / 2
    for time, frame in source.frames():
        if found >= count or time - source.facts.video_start > UNSOUGHT:
            return
        if time >= due:
            due, found = due + step, found + 1
            yield frame
