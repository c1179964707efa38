"""The visemes on the open head: closed lips are closed, open vowels open, in millimetres."""

import numpy as np
import pytest
import torch
from toy_head import toy_head

from models.adf.geometry import mouth_opening
from models.visemes.branch import expression_branch
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


def test_a_head_without_named_actions_is_refused():
    with pytest.raises(ValueError, match="mouth"):
        expression_branch(toy_head(), to_actions(np.zeros((1, len(CHANNELS)))))
