"""A frozen subject is left alone, and says so."""

import json

import pytest

from flows.bridge.planner import Target, make_plan
from flows.status import subject_states
from flows.subjects.freeze import freeze, unfreeze
from flows.tables import status_table
from tasks.errors import BadInput, DamagedArtifact
from tests.flows.toy import Toy


def test_a_frozen_subject_is_left_out_and_comes_back(finished: Toy) -> None:
    assert freeze(finished.root, "a", "as delivered") is True
    assert freeze(finished.root, "a") is False  # since and why stay the first ones'
    # What is done stays done, and is still said to be frozen.
    (a,) = subject_states(finished.root, ["a"])
    assert {stage.state for stage in a.stages.values()} == {"done"}
    assert "'erlnet unfreeze a'" in status_table([a])
    for subject in ("a", "b"):
        (finished.folder(subject) / "report.html").unlink()
    for targets in (None, [Target("a"), Target("b")]):
        plan = make_plan(finished.root, targets)
        assert plan.frozen == ["a"]
        assert [(stage.unit, stage.name) for stage in plan.stages.values()] == [("b", "report")]
    (a, b) = subject_states(finished.root, ["a", "b"])
    assert [stage.state for stage in a.stages.values()] == ["done", "done", "frozen"]
    assert [stage.state for stage in b.stages.values()] == ["done", "done", "stale"]
    assert a.frozen.endswith("(as delivered)")
    assert "a: frozen since 20" in status_table([a, b])
    assert unfreeze(finished.root, "a") is True
    assert unfreeze(finished.root, "a") is False
    assert [stage.unit for stage in make_plan(finished.root).stages.values()] == ["a", "b"]


def test_freezing_makes_nothing_stale(finished: Toy) -> None:
    freeze(finished.root, "a")
    unfreeze(finished.root, "a")
    assert make_plan(finished.root).stages == {}


def test_an_unknown_subject_and_a_damaged_file(toy: Toy) -> None:
    with pytest.raises(BadInput, match="no subject 'nobody'"):
        freeze(toy.root, "nobody")
    toy.onboard("a")
    (toy.folder("a") / "frozen.yaml").write_text(json.dumps([1]))
    with pytest.raises(DamagedArtifact, match=r"frozen\.yaml is damaged"):
        freeze(toy.root, "a")
    assert make_plan(toy.root).frozen == ["a"]  # in doubt it is left alone
    unfreeze(toy.root, "a")
