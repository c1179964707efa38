"""A file of the layout of SyncNet's published weights, made here.  What any file is refused for: published_weights."""

from pathlib import Path

import torch
from hostile import refusal

from models.metrics.syncnet import SyncNet
from tasks.artifacts.syncnet import read_syncnet


def test_the_published_layout_is_read_and_another_is_not(tmp_path: Path) -> None:
    path = tmp_path / "syncnet_v2.model"
    missing = refusal(read_syncnet, path)
    assert "is missing, and evaluate.lip_sync is syncnet: get syncnet_v2.model" in missing
    assert "robots.ox.ac.uk" in missing
    torch.manual_seed(0)
    state = SyncNet().state_dict()
    old = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, path, _use_new_zipfile_serialization=False)  # the published file is of that kind
    network = read_syncnet(path)
    assert not network.training
    for name, value in old.items():
        assert torch.equal(network.state_dict()[name], value), name
    torch.save({name: value for name, value in state.items() if not name.startswith("netfclip.3")}, path)
    wrong = refusal(read_syncnet, path)
    assert "lacks netfclip.3.weight and 1 more" in wrong
    assert "evaluate.lip_sync: none" in wrong
