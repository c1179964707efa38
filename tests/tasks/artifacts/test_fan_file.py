"""A file of the layout of FAN's published weights, made here, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import Hostile

from models.landmarks.fan68 import fan_network
from tasks.artifacts.fan import read_fan
from tasks.errors import BadInput


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return fan_network().state_dict()


def test_the_published_layout_is_read(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "2DFAN4-11f355bf06.pth.tar"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    network = read_fan(path)
    assert not network.training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_wrong_and_hostile_files_are_refused_in_one_line(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path, target = tmp_path / "2DFAN4-11f355bf06.pth.tar", tmp_path / "made by the file"

    def refusal(content: Any) -> str:
        torch.save(content, path)
        with pytest.raises(BadInput) as caught:
            read_fan(path)
        text = str(caught.value)
        assert text.startswith(str(path))
        assert "\n" not in text
        assert "adrianbulat.com" in text
        return text

    assert "holds no weights by name" in refusal([1, 2])
    assert "lacks conv1.weight" in refusal({name: v for name, v in state.items() if name != "conv1.weight"})
    assert "holds fc.weight, which the network has not" in refusal(state | {"fc.weight": torch.zeros(1)})
    assert "not a file of weights" in refusal({"conv1.weight": Hostile(target)})
    assert not target.exists()
