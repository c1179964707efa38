"""From numbers to verdicts: on which side of a limit, and which one counts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.subject import GateRecord, overall
from tasks.errors import BadInput
from tasks.gates.verdict import Limits, gate, in_words, judge, not_measured

NUMBER = st.floats(-1e6, 1e6)
ORDER = {"pass": 0, "warn": 1, "fail": 2}


@given(NUMBER, NUMBER, NUMBER, NUMBER)
def test_a_worse_value_never_gets_a_better_verdict(a, b, first, second):
    low, high = sorted((first, second))
    worse, better = sorted((a, b))
    assert ORDER[judge(worse, Limits(high, low), "high")] >= ORDER[judge(better, Limits(high, low), "high")]
    assert ORDER[judge(better, Limits(low, high), "low")] >= ORDER[judge(worse, Limits(low, high), "low")]


@given(NUMBER, NUMBER)
def test_a_value_on_a_limit_is_on_its_good_side(first, second):
    low, high = sorted((first, second))
    assert judge(high, Limits(high, low), "high") == "pass"
    assert judge(low, Limits(low, high), "low") == "pass"
    assert judge(low, Limits(high, low), "high") in ("pass", "warn")


@given(st.lists(st.sampled_from(["pass", "warn", "fail", "not measured"])))
def test_the_worst_verdict_counts_and_what_was_not_measured_does_not(verdicts):
    records = [GateRecord(gate="x", verdict=verdict, value=None, unit="", limits="") for verdict in verdicts]
    expected = max((ORDER.get(verdict, 0) for verdict in verdicts), default=0)
    assert ORDER[overall(records)] == expected


def test_limits_that_make_no_sense_are_refused():
    with pytest.raises(BadInput, match="fail at 10 before it warns at 5"):
        judge(7, Limits(warn=5, fail=10), "high")
    with pytest.raises(BadInput, match="are numbers"):
        Limits(math.nan, 1)
    with pytest.raises(BadInput, match="not a number"):
        judge(math.nan, Limits(1, 2), "low")


def test_what_is_said():
    assert in_words(Limits(30, 5), "s", "high") == "at least 30 s, refused below 5 s"
    assert in_words(Limits(0, 3), "", "low") == "at most 0, refused above 3"
    record = gate("duration", 4.25, "s", Limits(30, 5), "high", "film more")
    assert record.line == "duration 4.25 s (at least 30 s, refused below 5 s): film more"
    assert gate("duration", 60, "s", Limits(30, 5), "high", "film more").advice == ""
    assert not_measured("noise", "dB", Limits(15, 5), "high", "no speech").measured == "not measured"
