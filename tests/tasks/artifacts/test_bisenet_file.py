"""A file of the layout of BiSeNet's published weights, made here.  What any file is refused for: published_weights."""

from pathlib import Path

import torch
from hostile import refusal

from models.parsing.bisenet import BiSeNet
from tasks.artifacts.bisenet import read_bisenet


def test_the_published_layout_is_read_and_another_is_not(tmp_path: Path) -> None:
    path = tmp_path / "79999_iter.pth"
    missing = refusal(read_bisenet, path)
    assert "is missing, and parse.source is bisenet: get 79999_iter.pth" in missing
    assert "github.com/zllrunning/face-parsing.PyTorch" in missing
    torch.manual_seed(0)
    state = BiSeNet().state_dict()
    torch.save(state, path, _use_new_zipfile_serialization=False)  # the published file is of that kind
    network = read_bisenet(path)
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name]), name
    torch.save({name: value for name, value in state.items() if not name.startswith("ffm.")}, path)
    wrong = refusal(read_bisenet, path)
    assert "lacks ffm.convblk.conv.weight and 6 more" in wrong
    assert "parse.source: composed" in wrong
