"""Dominance blending against the closed form, and what it promises of closures and rests."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.visemes.coarticulation import CORE, Dominance, blend, channel_limits, dominances, weighted_means
from models.visemes.phones import DIPHTHONGS, FIRST_SHARE, SILENCE, VISEME_OF, Phone, split_diphthongs
from models.visemes.shapes import CHANNELS, CLOSING_JAW, SHAPES, to_actions


def at(curves, name):
    return curves[:, CHANNELS.index(name)]


def test_two_segments_follow_the_equation():
    """F(t) = sum D T / sum D with D = alpha exp(-theta * distance from the core), written out for two segments."""
    spans = np.array([[0.0, 0.2], [0.2, 0.3]])
    targets = [dict.fromkeys(CHANNELS, 1.0), dict.fromkeys(CHANNELS, 3.0)]
    rules = [dict.fromkeys(CHANNELS, Dominance(1.0, 10.0, 20.0)), dict.fromkeys(CHANNELS, Dominance(2.0, 30.0, 5.0))]
    times = np.array([0.1, 0.21, 0.25, 0.4])
    half = CORE / 2
    cores = [(0.1 - 0.2 * half, 0.1 + 0.2 * half), (0.25 - 0.1 * half, 0.25 + 0.1 * half)]
    made = weighted_means(spans, targets, rules, times)
    for row, t in enumerate(times):
        first = 1.0 * math.exp(-(20.0 * max(t - cores[0][1], 0) + 10.0 * max(cores[0][0] - t, 0)))
        second = 2.0 * math.exp(-(30.0 * max(cores[1][0] - t, 0) + 5.0 * max(t - cores[1][1], 0)))
        assert made[row] == pytest.approx(np.full(len(CHANNELS), (first + 3 * second) / (first + second)))


def test_far_from_every_segment_the_nearest_decides():
    curves = blend([Phone("UW", 0.0, 0.1)], np.array([1000.0]))
    assert curves[0] == pytest.approx([getattr(SHAPES["close_rounded"], name) for name in CHANNELS])


@pytest.mark.parametrize("consonant", ["P", "B", "M"])
@pytest.mark.parametrize("vowel", ["AA", "IY", "UW"])
def test_lips_close_between_any_vowels(vowel, consonant):
    phones = [Phone(vowel, 0.0, 0.15), Phone(consonant, 0.15, 0.21), Phone(vowel, 0.21, 0.36)]
    curves = blend(phones, np.array([0.075, 0.18, 0.285]))
    assert at(curves, "closed")[1] > 0.9
    assert at(curves, "closed")[[0, 2]].max() < 0.15


def test_rounding_begins_before_its_sound_and_spreading_does_not_survive_it():
    phones = [Phone("S", 0.0, 0.1), Phone("T", 0.1, 0.18), Phone("UW", 0.18, 0.33)]
    pucker = at(blend(phones, np.array([0.05, 0.14, 0.255])), "pucker")
    assert pucker[0] < pucker[1] < pucker[2]
    assert pucker[1] > 0.4  # the t does not care how the lips are
    assert pucker[2] > 0.7


def test_silence_rests_closed():
    curves = blend([Phone("AA", 0.0, 0.2), Phone(SILENCE, 0.2, 1.2)], np.array([0.7]))
    assert at(curves, "jaw")[0] < 0.005
    assert at(curves, "closed")[0] > 0.95


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted({*VISEME_OF, *DIPHTHONGS})), st.floats(0.01, 1.0)), min_size=1, max_size=12
    ),
    st.lists(st.floats(-2.0, 15.0), min_size=1, max_size=8),
)
def test_curves_stay_between_the_targets(spoken, times):
    edges = np.cumsum([0.0, *(length for _, length in spoken)])
    phones = [Phone(name, a, b) for (name, _), a, b in zip(spoken, edges[:-1], edges[1:], strict=True)]
    curves = blend(phones, np.array(times))
    for name, (low, high) in channel_limits().items():
        assert at(curves, name).min() >= low - 1e-9
        assert at(curves, name).max() <= high + 1e-9


def test_diphthongs_become_two_vowels_in_the_same_time():
    parts = split_diphthongs([Phone("AY", 1.0, 1.5)])
    assert [part.name for part in parts] == ["AA", "IH"]
    assert (parts[0].start, parts[1].stop) == (1.0, 1.5)
    assert parts[0].stop == parts[1].start == pytest.approx(1.0 + 0.5 * FIRST_SHARE)


@pytest.mark.parametrize("wrong", [Phone("XX", 0.0, 0.1), Phone("AA", 0.2, 0.2)])
def test_what_cannot_be_said_is_refused(wrong):
    with pytest.raises(ValueError, match=wrong.name):
        blend([wrong], np.array([0.0]))
    with pytest.raises(ValueError, match="no phones"):
        blend([], np.array([0.0]))


def test_every_viseme_has_a_shape_and_a_rule():
    assert set(VISEME_OF.values()) == set(SHAPES)
    assert {part for pair in DIPHTHONGS.values() for part in pair} <= set(VISEME_OF)
    for viseme in SHAPES:
        assert set(dominances(viseme)) == set(CHANNELS)


def test_closed_lips_undo_the_jaw_in_proportion():
    curves = np.zeros((2, len(CHANNELS)))
    curves[:, CHANNELS.index("jaw")] = [0.07, 0.14]
    curves[:, CHANNELS.index("closed")] = [1.0, 0.5]
    actions = to_actions(curves)
    assert actions["mouthClose"] == pytest.approx([0.07 / CLOSING_JAW, 0.5 * 0.14 / CLOSING_JAW])
    assert actions["jaw"] == pytest.approx([0.07, 0.14])
