"""Why a subject is stale: named by parameter, code file and input, one group for those that share it."""

import yaml

from flows.bridge.planner import make_plan
from flows.subjects.freeze import freeze
from flows.tables import upgrade_text
from flows.upgrade import Upgrade, explain
from tests.flows.toy import Toy


def upgrade(toy: Toy) -> Upgrade:
    return explain(toy.root, make_plan(toy.root, write=False))


def said(found: Upgrade) -> list[tuple[list[str], dict[str, list[str]]]]:
    return [
        (group.subjects, {stage.name: [f"{r.kind}: {r.text}" for r in stage.because] for stage in group.stages})
        for group in found.groups
    ]


def test_the_cause_is_named_before_anything_runs(toy: Toy) -> None:
    for subject in ("a", "b", "c"):
        toy.onboard(subject)
    assert said(upgrade(toy)) == [
        (["a", "b", "c"], {stage: ["never run: was never run to its end"] for stage in ("crop", "track", "report")})
    ]
    toy.dvc("repro", "-q", "--all-pipelines")
    assert upgrade(toy).groups == []
    assert "3 subjects (a, b, c) up to date" in upgrade_text(upgrade(toy))

    started = toy.started()
    params = yaml.safe_load((toy.root / "params.yaml").read_text())
    params["profiles"]["demo"]["track"] = {"size": 2}
    (toy.root / "params.yaml").write_text(yaml.safe_dump(params))
    follow = {"track": ["parameter: profiles.demo.track.size: 1 -> 2"], "report": []}
    assert said(upgrade(toy)) == [(["a", "b", "c"], follow)]

    # A module the stage did not import before, and one that is changed: both by name, and only where they are used.
    (toy.root / "tasks" / "extra.py").write_text("FACT = 1\n")
    report = toy.root / "tasks" / "report.py"
    report.write_text("from tasks import extra\n" + report.read_text() + "\n\nUSED = extra.FACT\n")
    (toy.folder("b") / "flame.parquet").unlink()
    freeze(toy.root, "c", "as delivered")
    follow["report"] = ["code: tasks/extra.py is used now", "code: tasks/report.py changed"]
    found = upgrade(toy)
    assert said(found) == [
        (["a"], follow),
        (
            ["b"],
            {
                "track": ["output: data/subjects/ID/flame.parquet is gone", *follow["track"]],
                "report": [*follow["report"], "input: data/subjects/ID/flame.parquet is gone"],
            },
        ),
    ]
    assert found.frozen == ["c"]
    assert toy.started() == started  # nothing ran
    text = upgrade_text(found)
    assert "1 subject (a), profile demo: 2 stages to run" in text
    assert "    track: parameter: profiles.demo.track.size: 1 -> 2" in text
    assert "1 subject (c) frozen and left out" in text
