"""A file of the published weights' layout, made here, and what is refused."""

from pathlib import Path

import pytest
import torch
from hostile import Hostile

from models.metrics.syncnet import SyncNet
from tasks.artifacts.syncnet import read_syncnet
from tasks.errors import BadInput


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return SyncNet().state_dict()


def test_the_published_layout_is_read(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "syncnet_v2.model"
    old = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, path, _use_new_zipfile_serialization=False)  # the published file is of that kind
    network = read_syncnet(path)
    assert not network.training
    for name, value in old.items():
        assert torch.equal(network.state_dict()[name], value), name


def test_wrong_files_are_refused_in_one_line(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "syncnet_v2.model"

    def refusal() -> str:
        with pytest.raises(BadInput) as caught:
            read_syncnet(path)
        text = str(caught.value)
        assert str(path) in text
        assert "evaluate.lip_sync: none" in text
        assert "\n" not in text
        return text

    assert "is missing" in refusal()
    assert "robots.ox.ac.uk" in refusal()
    torch.save({name: value for name, value in state.items() if not name.startswith("netfclip.3")}, path)
    assert "lacks netfclip.3.weight and 1 more" in refusal()
    torch.save(state | {"netfcaud.3.bias": torch.zeros(7)}, path)
    assert "of shape (7,), expected (1024,)" in refusal()
    target = tmp_path / "made by the file"
    torch.save({"netfcaud": Hostile(target)}, path)
    assert "not a file of weights" in refusal()
    assert not target.exists()
