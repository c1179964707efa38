"""Timestamp arithmetic of the crop stage: from any source clock to constant 25 frames a second.  Pure functions.

Times are seconds.  The output's clock starts at the first shown source frame: output frame k is the picture at
``origin + k / fps``, and sample n of the sound is the sound at ``origin + n / rate``.  That shared origin is what
keeps lips and voice together; counting frames and samples instead lets them drift apart.
"""

import itertools
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

EPSILON = 1e-6  # seconds: below any clock tick of a container, above the noise of float arithmetic


def output_frames(times: Sequence[float], last_duration: float | None, fps: float) -> int:
    """Number of output frames of a source whose frames are shown at ``times`` (ascending).

    last_duration: how long the last frame is shown; None: the median distance of the others.
    The last output frame lies inside the source's span; a source at ``fps`` keeps its number of frames.
    """
    if not times:
        return 0
    if last_duration is None or last_duration <= 0:
        gaps = [b - a for a, b in itertools.pairwise(times)]
        last_duration = statistics.median(gaps) if gaps else 1 / fps
    span = times[-1] + last_duration - times[0]
    return max(1, round(span * fps - EPSILON))


def resample_frames(
    frames: Iterable[tuple[float, T]], fps: float, limit: int | None = None
) -> Iterator[tuple[int, float, T]]:
    """Choose the source frame of every output frame; yields (output id, source time, frame), ids from 0.

    The nearest source frame in time is chosen, but never one that appears more than half an output period
    later: across a long hold (slides, dropped frames) the old picture stays until the new one is due, rather
    than showing it up to half the hold too early.  The error is at most half an output period plus half a
    source period.  The last frame is held until ``limit`` output frames were made (None: no hold).
    Frames whose time does not advance are left out.
    """
    origin: float | None = None
    shown: tuple[float, T] | None = None
    k = 0
    for time, frame in frames:
        if shown is None:
            origin, shown = time, (time, frame)
            continue
        if time <= shown[0] + EPSILON:
            continue
        assert origin is not None
        while (limit is None or k < limit) and prefers_earlier(origin + k / fps, shown[0], time, fps):
            yield k, *shown
            k += 1
        shown = (time, frame)
        if limit is not None and k >= limit:
            return
    if shown is None:
        return
    assert origin is not None
    while (k < limit) if limit is not None else (origin + k / fps <= shown[0] + 0.5 / fps - EPSILON):
        yield k, *shown
        k += 1


def prefers_earlier(instant: float, earlier: float, later: float, fps: float) -> bool:
    """Whether the picture at ``instant`` is the frame shown from ``earlier`` rather than the one from ``later``."""
    ahead = later - instant
    return ahead > 0.5 / fps - EPSILON or ahead > instant - earlier + EPSILON


def sound_samples(frames: int, fps: float, rate: int) -> int:
    """Number of sound samples that accompany ``frames`` frames."""
    return round(frames * rate / fps)
