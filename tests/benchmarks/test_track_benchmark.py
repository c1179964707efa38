"""The track benchmark's comparison notices what it is there to notice."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.tracking import rendered
from models.flame.head import FlameHead
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.head import read_head

FRAMES = 120


@pytest.fixture(scope="module")
def head(open_head_path: Path) -> FlameHead:
    return read_head(open_head_path).double()


@pytest.fixture
def truth(head: FlameHead) -> rendered.Truth:
    return rendered.animate(head, FRAMES, seed=3)


def perfect(truth: rendered.Truth) -> FlameSequence:
    """A tracker that is told everything."""
    index = np.arange(FRAMES)
    return FlameSequence(
        frame=index, t=index / 25, **{name: value.numpy().copy() for name, value in truth.motion.items()},
        landmark_error=np.zeros(FRAMES), confidence=np.ones(FRAMES), tracked=~truth.hidden,
        shape=truth.shape[0].numpy(), focal=truth.focal, image_size=rendered.SIZE,
    )  # fmt: skip


def test_a_perfect_track_has_no_errors(head: FlameHead, truth: rendered.Truth) -> None:
    row = rendered.compare(head, truth, perfect(truth))
    assert row["rotation"] == pytest.approx(0, abs=1e-5)
    assert row["turning"] == pytest.approx(0, abs=1e-5)
    assert row["jaw"] == pytest.approx(1)
    assert row["lips"] == pytest.approx(1)
    assert (row["blinks"], row["blink"], row["focal"]) == (1, 0, 0)
    assert (row["shifted"], row["invented"], row["missed"]) == (0, 0, 0)
    assert row["hidden"] == truth.hidden.sum() >= 15
    assert "| 1 | 0.00 | 0.00 |" in rendered.table([row | {"mesh": 0.5}])


def test_a_frame_that_slips_is_noticed(head: FlameHead, truth: rendered.Truth) -> None:
    late = perfect(truth)
    for name in truth.motion:
        getattr(late, name)[50:] = getattr(late, name)[49:-1].copy()
    row = rendered.compare(head, truth, late)
    assert row["shifted"] > 30
    assert row["blink"] == pytest.approx(1, abs=0.1)
    renumbered = perfect(truth)
    renumbered.frame[10:] += 1
    assert rendered.compare(head, truth, renumbered)["shifted"] == FRAMES - 10


def test_errors_are_measured(head: FlameHead, truth: rendered.Truth) -> None:
    found = perfect(truth)
    found.focal *= 1.1
    found.tracked[truth.hidden] = True
    found.tracked[:2] = False
    wrong = truth.motion | {"global_rotation": truth.motion["global_rotation"] + torch.tensor([0.0, 0.05, 0.0])}
    found.global_rotation = wrong["global_rotation"].numpy()
    found.expression[:] = 0
    row = rendered.compare(head, truth, found)
    assert row["focal"] == pytest.approx(10)
    assert row["invented"] == truth.hidden.sum()
    assert row["missed"] == 2 - truth.hidden[:2].sum()
    assert row["rotation"] == pytest.approx(np.degrees(0.05), rel=0.1)
    assert row["turning"] < 0.2 * row["rotation"]
    assert row["blinks"] == 0


def test_a_resting_head_rests_and_then_moves(head: FlameHead) -> None:
    truth = rendered.animate(head, rendered.RESTING + 60, 1, rendered.RESTING)
    rotation = truth.motion["global_rotation"]
    assert torch.equal(rotation[0].expand(rendered.RESTING, 3), rotation[: rendered.RESTING])
    assert rotation[rendered.RESTING :].std() > 0.02
    assert truth.motion["jaw_rotation"][: rendered.RESTING].std() > 0.01
    assert not truth.hidden.any()
