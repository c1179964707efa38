"""Files of weights that others published: what is refused, and that nothing in them is run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import Hostile, refusal
from torch import nn

from tasks.artifacts.published_weights import load_chosen, load_published


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()


@pytest.fixture
def state() -> dict[str, Any]:
    return network().state_dict()


def read(path: Path) -> nn.Module:
    return load_published(path, network(), "get another")


def read_part(path: Path) -> nn.Module:
    return load_published(path, network(), "get another", "part")


def test_both_kinds_of_file_are_read(tmp_path: Path, state: dict[str, Any]) -> None:
    path = tmp_path / "weights.pth"
    changed = {name: value + 1 for name, value in state.items()}
    for zipped in (True, False):  # most published files are of the older, unzipped kind
        torch.save(changed, path, _use_new_zipfile_serialization=zipped)
        found = read(path)
        assert not found.training
        assert not any(value.requires_grad for value in found.parameters())
        assert all(torch.equal(value, changed[name]) for name, value in found.state_dict().items())
    torch.save({"part": changed, "other": [1]}, path)
    assert torch.equal(read_part(path).state_dict()["0.bias"], changed["0.bias"])


def test_training_counters_may_be_absent(tmp_path: Path, state: dict[str, Any]) -> None:
    path = tmp_path / "weights.pth"
    del state["1.num_batches_tracked"]
    torch.save(state, path)
    read(path)


def test_wrong_files_are_refused_in_one_line(tmp_path: Path, state: dict[str, Any]) -> None:
    path = tmp_path / "weights.pth"

    def said(content: Any) -> str:
        torch.save(content, path)
        text = refusal(read, path)
        assert text.endswith("; get another")
        return text

    assert "holds no weights by name" in said([1, 2])
    assert "lacks 0.weight and 1 more" in said({name: value for name, value in state.items() if name[0] != "0"})
    assert "holds 3.weight, which the network has not" in said(state | {"3.weight": torch.zeros(2)})
    assert "has 2.bias of shape (3,), expected (2,)" in said(state | {"2.bias": torch.zeros(3)})
    assert "has 2.bias of shape str, expected (2,)" in said(state | {"2.bias": "zero"})
    assert "values in 2.bias that are not finite" in said(state | {"2.bias": torch.full((2,), torch.nan)})
    torch.save({"other": state}, path)
    assert "holds no 'part'" in refusal(read_part, path)
    torch.save({"part": state | {"2.bias": torch.zeros(3)}}, path)
    assert "part has 2.bias of shape (3,)" in refusal(read_part, path)
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:700])
    assert "not a file of weights" in refusal(read, path)
    path.write_bytes(b"not weights")
    assert "not a file of weights" in refusal(read, path)


def test_nothing_in_the_file_is_run(tmp_path: Path) -> None:
    path, target = tmp_path / "weights.pth", tmp_path / "made by the file"
    for content in ({"0.bias": Hostile(target)}, {"part": Hostile(target)}):
        torch.save(content, path)
        assert "not a file of weights" in refusal(read_part, path)
    assert not target.exists()


def test_a_file_that_was_chosen_says_how_to_do_without(tmp_path: Path, state: dict[str, Any]) -> None:
    path = tmp_path / "weights.pth"

    def chosen(path: Path) -> nn.Module:
        return load_chosen(path, network(), "parse.source", "network", "composed", "https://example.org")

    assert refusal(chosen, path) == (
        f"{path} is missing, and parse.source is network: get weights.pth from https://example.org and put it there, "
        "or set parse.source: composed in params.yaml"
    )
    torch.save([1], path)
    assert refusal(chosen, path).endswith(
        "replace it by the published weights.pth, or set parse.source: composed in params.yaml"
    )
    torch.save(state, path)
    chosen(path)
