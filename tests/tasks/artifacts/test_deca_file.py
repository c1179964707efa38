"""A file of the published checkpoint's layout, made here, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import Hostile

from models.deca.encoder import INPUT_SIZE, OUTPUT_SIZE, DecaEncoder
from tasks.artifacts.deca import read_deca
from tasks.errors import BadInput, MissingInput


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Weights with a known answer: the picture does not matter, output i is i / 100."""
    torch.manual_seed(0)
    state = DecaEncoder().state_dict()
    state["layers.2.weight"].zero_()
    state["layers.2.bias"].copy_(torch.arange(OUTPUT_SIZE) / 100)
    return state


def save(path: Path, state: dict[str, Any], **options: Any) -> Path:
    torch.save({"E_flame": state, "E_detail": {"layers.0.bias": torch.zeros(3)}, "D_detail": {}}, path, **options)
    return path


@pytest.mark.parametrize("zipped", [True, False])
def test_the_published_layout_is_read(tmp_path: Path, state: dict[str, torch.Tensor], zipped: bool) -> None:
    path = save(tmp_path / "deca_model.tar", state, _use_new_zipfile_serialization=zipped)
    network = read_deca(path)
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name]), name
    code = network.encode(torch.rand(1, 3, INPUT_SIZE, INPUT_SIZE))
    torch.testing.assert_close(code.global_rotation[0], torch.tensor([2.00, 2.01, 2.02]))
    torch.testing.assert_close(code.camera[0], torch.tensor([2.06, 2.07, 2.08]))


def test_training_counters_may_be_absent(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    older = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    assert len(older) < len(state)
    read_deca(save(tmp_path / "deca_model.tar", older))


def test_wrong_files_are_refused_in_one_line(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "deca_model.tar"
    with pytest.raises(MissingInput, match=r"deca\.is\.tue\.mpg\.de"):
        read_deca(path)

    def refusal() -> str:
        with pytest.raises(BadInput) as caught:
            read_deca(path)
        text = str(caught.value)
        assert str(path) in text
        assert "\n" not in text
        return text

    torch.save({"E_detail": state}, path)
    assert "holds no 'E_flame'" in refusal()
    torch.save([1, 2], path)
    assert "holds no 'E_flame'" in refusal()
    save(path, {name: value for name, value in state.items() if not name.startswith("layers.")})
    assert "lacks layers.0.weight and 3 more" in refusal()
    save(path, state | {"fc.weight": torch.zeros(2)})
    assert "holds fc.weight" in refusal()
    save(path, state | {"layers.2.bias": torch.zeros(159)})
    assert "layers.2.bias of shape (159,), expected (236,)" in refusal()
    save(path, state | {"layers.2.bias": torch.full((OUTPUT_SIZE,), torch.nan)})
    assert "not finite" in refusal()
    whole = save(path, state).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "not a file of weights" in refusal()
    path.write_text("not weights")
    assert "not a file of weights" in refusal()


def test_nothing_in_the_file_is_run(tmp_path: Path) -> None:
    path, target = tmp_path / "deca_model.tar", tmp_path / "made by the file"
    torch.save({"E_flame": Hostile(target)}, path)
    with pytest.raises(BadInput, match="not a file of weights"):
        read_deca(path)
    assert not target.exists()
