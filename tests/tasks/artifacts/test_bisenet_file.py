"""A file of the published weights' layout, made here, and what is refused."""

from pathlib import Path

import pytest
import torch
from hostile import Hostile

from models.parsing.bisenet import BiSeNet
from tasks.artifacts.bisenet import read_bisenet
from tasks.errors import BadInput


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return BiSeNet().state_dict()


@pytest.mark.parametrize("zipped", [True, False])  # the published file is of the older, unzipped kind
def test_the_published_layout_is_read(tmp_path: Path, state: dict[str, torch.Tensor], zipped: bool) -> None:
    path = tmp_path / "79999_iter.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    network = read_bisenet(path)
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_wrong_files_are_refused_in_one_line(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "79999_iter.pth"

    def refusal() -> str:
        with pytest.raises(BadInput) as caught:
            read_bisenet(path)
        text = str(caught.value)
        assert str(path) in text
        assert "parse.source: composed" in text
        assert "\n" not in text
        return text

    assert "is missing" in refusal()
    assert "github.com/zllrunning/face-parsing.PyTorch" in refusal()
    torch.save([1, 2], path)
    assert "holds no weights by name" in refusal()
    torch.save({name: value for name, value in state.items() if not name.startswith("ffm.")}, path)
    assert "lacks ffm.convblk.conv.weight and 6 more" in refusal()
    torch.save(state | {"sp.conv1.weight": torch.zeros(2)}, path)
    assert "holds sp.conv1.weight" in refusal()
    torch.save(state | {"conv_out.conv_out.weight": torch.zeros(11, 256, 1, 1)}, path)
    assert "of shape (11, 256, 1, 1), expected (19, 256, 1, 1)" in refusal()
    torch.save(state | {"ffm.conv1.weight": torch.full((64, 256, 1, 1), torch.nan)}, path)
    assert "not finite" in refusal()
    path.write_bytes(b"not weights")
    assert "not a file of weights" in refusal()


def test_nothing_in_the_file_is_run(tmp_path: Path) -> None:
    path, target = tmp_path / "79999_iter.pth", tmp_path / "made by the file"
    torch.save({"cp": Hostile(target)}, path)
    with pytest.raises(BadInput, match="not a file of weights"):
        read_bisenet(path)
    assert not target.exists()
