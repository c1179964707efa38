"""A file of the layout of FAN's published weights, made here.  What any file is refused for: published_weights."""

from pathlib import Path

import torch
from hostile import refusal

from models.landmarks.fan68 import fan_network
from tasks.artifacts.fan import read_fan


def test_the_published_layout_is_read_and_another_is_not(tmp_path: Path) -> None:
    path = tmp_path / "2DFAN4-11f355bf06.pth.tar"
    torch.manual_seed(0)
    state = fan_network().state_dict()
    torch.save(state, path, _use_new_zipfile_serialization=False)
    network = read_fan(path)
    assert not network.training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    torch.save({name: value for name, value in state.items() if name != "conv1.weight"}, path)
    wrong = refusal(read_fan, path)
    assert "lacks conv1.weight" in wrong
    assert "adrianbulat.com" in wrong
