"""A file of the layout of DECA's published checkpoint, made here.  What any file is refused for: published_weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import refusal

from models.deca.encoder import INPUT_SIZE, OUTPUT_SIZE, DecaEncoder
from tasks.artifacts.deca import read_deca
from tasks.errors import MissingInput


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Weights with a known answer: the picture does not matter, output i is i / 100."""
    torch.manual_seed(0)
    state = DecaEncoder().state_dict()
    state["layers.2.weight"].zero_()
    state["layers.2.bias"].copy_(torch.arange(OUTPUT_SIZE) / 100)
    return state


def save(path: Path, state: dict[str, Any]) -> None:
    torch.save({"E_flame": state, "E_detail": {"layers.0.bias": torch.zeros(3)}, "D_detail": {}}, path)


def test_the_published_layout_is_read(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "deca_model.tar"
    save(path, state)
    network = read_deca(path)
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name]), name
    code = network.encode(torch.rand(1, 3, INPUT_SIZE, INPUT_SIZE))
    torch.testing.assert_close(code.global_rotation[0], torch.tensor([2.00, 2.01, 2.02]))
    torch.testing.assert_close(code.camera[0], torch.tensor([2.06, 2.07, 2.08]))


def test_another_layout_is_refused(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "deca_model.tar"
    with pytest.raises(MissingInput, match=r"deca\.is\.tue\.mpg\.de"):
        read_deca(path)
    torch.save({"E_detail": {}}, path)
    assert "holds no 'E_flame'" in refusal(read_deca, path)
    save(path, {name: value for name, value in state.items() if not name.startswith("layers.")})
    wrong = refusal(read_deca, path)
    assert "lacks layers.0.weight and 3 more" in wrong
    assert "replace it by the published deca_model.tar" in wrong
