"""Timestamp arithmetic, against brute force and against what a viewer would see."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingest.timing import output_frames, prefers_earlier, resample_frames, sound_samples

FPS = 25.0


def ids_of(times, limit=None):
    return [(k, time) for k, time, _ in resample_frames([(t, i) for i, t in enumerate(times)], FPS, limit)]


steps = st.lists(st.floats(1 / 240, 0.6), min_size=1, max_size=120)


@pytest.mark.parametrize("start", [0.0, 0.5, -0.08, 1234.5])
def test_a_source_at_the_output_rate_is_passed_frame_by_frame(start):
    times = [start + k / FPS for k in range(200)]
    count = output_frames(times, 1 / FPS, FPS)
    assert count == 200
    assert ids_of(times, count) == list(enumerate(times))


@pytest.mark.parametrize(
    ("fps", "frames", "expected"),
    [(30000 / 1001, 173, 144), (24, 240, 250), (50, 500, 250), (120, 1200, 250), (12.5, 50, 100)],
)
def test_number_of_output_frames(fps, frames, expected):
    assert output_frames([k / fps for k in range(frames)], 1 / fps, FPS) == expected


def test_the_last_frame_lasts_as_long_as_the_others_where_the_file_does_not_say():
    assert output_frames([k / 10 for k in range(10)], None, FPS) == 25
    assert output_frames([3.0], None, FPS) == 1
    assert output_frames([], None, FPS) == 0


@settings(max_examples=200, deadline=None)
@given(start=st.floats(-10, 1000), steps=steps)
def test_ids_are_consecutive_times_ascend_and_the_error_is_bounded(start, steps):
    times = list(start + np.concatenate([[0], np.cumsum(steps)]))
    count = output_frames(times, 0.04, FPS)
    chosen = ids_of(times, count)
    assert [k for k, _ in chosen] == list(range(count))
    shown = [t for _, t in chosen]
    assert all(a <= b for a, b in pairwise(shown))
    for k, time in chosen:
        instant = times[0] + k / FPS
        # Never a picture from more than half a period ahead, ...
        assert time - instant <= 0.5 / FPS + 1e-5
        # ... and never an old one where a newer one is already due and no farther.
        newer = [t for t in times if time < t <= instant + 1e-5]
        assert not newer or min(abs(t - instant) for t in newer) >= abs(time - instant) - 1e-5


@settings(max_examples=100, deadline=None)
@given(start=st.floats(0, 100), fps=st.sampled_from([23.976, 24, 29.97, 30, 48, 50, 59.94, 60, 120]))
def test_at_constant_rates_the_nearest_frame_is_chosen(start, fps):
    times = np.array([start + k / fps for k in range(200)])
    count = output_frames(list(times), 1 / fps, FPS)
    for k, time in ids_of(list(times), count):
        instant = start + k / FPS
        allowed = times[times <= instant + 0.5 / FPS - 1e-5]
        assert abs(time - instant) <= np.abs(allowed - instant).min() + 1e-5


def test_a_long_hold_ends_when_the_next_picture_is_due():
    chosen = ids_of([0.0, 1.0, 1.04], 27)
    assert [time for _, time in chosen] == [0.0] * 25 + [1.0, 1.04]


def test_frames_whose_time_does_not_advance_are_left_out():
    assert ids_of([0.0, 0.0, 0.04, 0.02, 0.08], 3) == [(0, 0.0), (1, 0.04), (2, 0.08)]


def test_without_a_limit_nothing_is_held_past_the_last_frame():
    assert ids_of([0.0, 0.04, 0.08]) == [(0, 0.0), (1, 0.04), (2, 0.08)]
    assert ids_of([]) == []


def test_limit_cuts():
    assert len(ids_of([k / FPS for k in range(100)], 7)) == 7


def test_prefers_the_earlier_of_two_equally_near():
    assert prefers_earlier(0.02, 0.0, 0.04, FPS)
    assert not prefers_earlier(0.03, 0.0, 0.04, FPS)


def test_sound_samples():
    assert sound_samples(25, 25.0, 16000) == 16000
    assert sound_samples(144, 25.0, 16000) == 92160
