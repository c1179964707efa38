"""The NeRF benchmark: every ablation leaves one part out, and its table says which."""

import dataclasses

from benchmarks.nerf import ABLATIONS, COLUMNS, table
from tasks.nerf import NerfParams


def test_each_ablation_changes_one_parameter_of_the_stage():
    full = dataclasses.asdict(NerfParams())
    assert ABLATIONS["full"] == {}
    for name, changes in ABLATIONS.items():
        differing = {key for key, value in dataclasses.asdict(NerfParams(**changes)).items() if value != full[key]}
        assert len(differing) == (name != "full")


def test_table_has_a_row_for_each():
    row: dict[str, float | str] = dict.fromkeys(COLUMNS, 1.0) | {"processor": 3.0}
    lines = table({"full": row, "shell": row | {"lmd": "not measured (no face)"}}, 7).splitlines()
    assert "After 7 steps" in lines[0]
    assert lines[-2].startswith("| nothing (full) | 1.00 | 1.00 | 1.00 | 1.0000 ")
    assert lines[-1].startswith("| shell |")
    assert "| not measured | 1.00 | 3 |" in lines[-1]
    assert {line.count("|") for line in lines[2:]} == {len(COLUMNS) + 3}
