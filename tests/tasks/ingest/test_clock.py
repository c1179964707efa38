"""Dating of frames: ascending whatever the decoder says; AVI by decoding times; frames without a time."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingest.clock import dated

BASE = Fraction(1, 25)
ticks = st.one_of(st.none(), st.integers(-1000, 1000))


@dataclass
class Frame:
    pts: int | None
    dts: int | None = None
    time_base: Fraction = BASE


def times(frames, by_decoding=False, first=0):
    return [frame.pts for frame in dated(frames, by_decoding, 0.04, lambda: first)]


def test_presentation_times_are_kept():
    assert times([Frame(5), Frame(6), Frame(9)]) == [5, 6, 9]


def test_a_frame_without_a_time_follows_by_one_period_and_none_comes_before_the_first_with_one():
    assert times([Frame(None), Frame(None), Frame(3), Frame(None), Frame(5)]) == [3, 4, 5]
    assert times([Frame(None), Frame(None)]) == []


def test_frames_whose_time_does_not_advance_are_left_out():
    assert times([Frame(0), Frame(2), Frame(1), Frame(2), Frame(3)]) == [0, 2, 3]


def test_avi_goes_by_decoding_times_less_the_decoders_delay():
    # Two frames of delay; the guessed presentation times are out of order.
    guessed = [1, 4, 3, 5, 2]
    frames = [Frame(pts, dts) for pts, dts in zip(guessed, range(2, 7), strict=True)]
    assert times(frames, by_decoding=True) == [0, 1, 2, 3, 4]
    # A packet that was lost leaves its place empty; the flushed frames have no decoding time.
    frames = [Frame(1, 0), Frame(2, 1), Frame(4, 3), Frame(5, None)]
    assert times(frames, by_decoding=True) == [0, 1, 3, 4]
    assert times([Frame(1, 7), Frame(2, 8)], by_decoding=True, first=5) == [5, 6]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(ticks, ticks), max_size=40), st.booleans())
def test_times_ascend_whatever_comes(given_ticks, by_decoding):
    made = times([Frame(*pair) for pair in given_ticks], by_decoding)
    assert all(a < b for a, b in pairwise(made))
