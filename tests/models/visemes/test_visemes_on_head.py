"""The visemes on the open head: closed lips are closed, open vowels open, in millimetres."""

import numpy as np
import pytest
import torch
from toy_head import toy_head

from models.adf.geometry import mouth_opening
from models.visemes.branch import expression_branch, lip_closure
from models.visemes.coarticulation import blend
from models.visemes.phones import VISEME_OF, Phone
from models.visemes.shapes import CHANNELS, SHAPES, to_actions
from tasks.artifacts.head import read_head
from tasks.artifacts.layout import AssetFolder


@pytest.fixture(scope="module")
def head():
    path = AssetFolder.default().open_head
    if not path.is_file():
        pytest.skip("the open head is not built: python -m tasks.head")
    return read_head(path)


def openings(head, curves):
    return mouth_opening(head, torch.zeros(head.shape_size), expression_branch(head, to_actions(curves))).numpy()


def test_openings_are_in_the_order_that_phonetics_gives(head):
    targets = np.array(
        [[getattr(SHAPES[VISEME_OF[name]], c) for c in CHANNELS] for name in ("SIL", "M", "IY", "EH", "AA")]
    )
    rest, closed, close, middle, wide = openings(head, targets)
    assert closed <= rest
    assert rest + 2 < close < middle - 2 < wide - 4


def test_a_word_closes_and_opens(head):
    """'papa': closed at both p, open at both a."""
    phones = [Phone(name, 0.12 * i, 0.12 * (i + 1)) for i, name in enumerate(("P", "AA", "P", "AA"))]
    rest = openings(head, np.zeros((1, len(CHANNELS))))[0]
    first, open_one, second, open_two = openings(head, blend(phones, np.array([0.06, 0.18, 0.30, 0.42])))
    assert max(first, second) < rest + 0.5
    assert min(open_one, open_two) > rest + 6


def test_lips_together_for_a_consonant_are_told_from_a_resting_mouth(head):
    """'papa' after silence: 1 in the middle of each p, and below a half at rest and in the vowels."""
    edges = [0.0, 0.5, 0.62, 0.74, 0.86, 0.98]
    names = ("SIL", "P", "AA", "P", "AA")
    phones = [Phone(name, a, b) for name, a, b in zip(names, edges[:-1], edges[1:], strict=True)]
    middles = np.array([(phone.start + phone.stop) / 2 for phone in phones])
    made = lip_closure(head, expression_branch(head, to_actions(blend(phones, middles)))).numpy()
    assert made[[1, 3]].min() > 0.9
    assert made[[0, 2, 4]].max() < 0.3


def test_a_head_without_named_actions_is_refused():
    with pytest.raises(ValueError, match="mouth"):
        expression_branch(toy_head(), to_actions(np.zeros((1, len(CHANNELS)))))
    with pytest.raises(ValueError, match="mouthPress"):
        lip_closure(toy_head(), torch.zeros(1, 15))
