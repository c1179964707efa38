"""A frozen subject is left alone, and says so."""

import json

import pytest

from flows.bridge.planner import Target, make_plan
from flows.status import subject_states
from flows.subjects.freeze import freeze, unfreeze
from flows.tables import status_table
from tasks.errors import BadInput, DamagedArtifact
from tests.flows.toy import Toy


def test_a_frozen_subject_is_left_out_and_comes_back(toy: Toy) -> None:
    toy.onboard("a")
    toy.onboard("b")
    assert freeze(toy.root, "a", "as delivered") is True
    assert freeze(toy.root, "a") is False  # since and why stay the first ones'
    for targets in (None, [Target("a"), Target("b")]):
        plan = make_plan(toy.root, targets)
        assert plan.frozen == ["a"]
        assert {stage.unit for stage in plan.stages.values()} - {""} == {"b"}
    (a, b) = subject_states(toy.root, ["a", "b"])
    assert {stage.state for stage in a.stages.values()} == {"frozen"}
    assert {stage.state for stage in b.stages.values()} == {"stale"}
    assert a.frozen.endswith("(as delivered)")
    assert "a: frozen since 20" in status_table([a, b])
    # What is done stays done, and is still said to be frozen.
    toy.dvc("repro", "-q", "--all-pipelines")
    (a,) = subject_states(toy.root, ["a"])
    assert {stage.state for stage in a.stages.values()} == {"done"}
    assert "'erlnet unfreeze a'" in status_table([a])
    (toy.folder("a") / "report.html").unlink()
    assert make_plan(toy.root).stages == {}
    assert unfreeze(toy.root, "a") is True
    assert unfreeze(toy.root, "a") is False
    assert [stage.name for stage in make_plan(toy.root).stages.values()] == ["report"]


def test_freezing_makes_nothing_stale(toy: Toy) -> None:
    toy.onboard("a")
    toy.dvc("repro", "-q", "--all-pipelines")
    freeze(toy.root, "a")
    unfreeze(toy.root, "a")
    assert make_plan(toy.root).stages == {}


def test_an_unknown_subject_and_a_damaged_file(toy: Toy) -> None:
    with pytest.raises(BadInput, match="no subject 'nobody'"):
        freeze(toy.root, "nobody")
    toy.onboard("a")
    (toy.folder("a") / "frozen.yaml").write_text(json.dumps([1]))
    with pytest.raises(DamagedArtifact, match=r"frozen\.yaml is damaged"):
        freeze(toy.root, "a")
    assert make_plan(toy.root).frozen == ["a"]  # in doubt it is left alone
    unfreeze(toy.root, "a")
