from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_head import toy_head

from tasks.artifacts.head import head_identity, head_info, read_head, write_head
from tasks.artifacts.weights import read_weights
from tasks.errors import DamagedArtifact, MissingInput


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_head(tmp_path / "head.safetensors", toy_head(), {"name": "toy"})
    return tmp_path / "head.safetensors"


def rewrite(path: Path, **changes: torch.Tensor | None) -> None:
    """Change (or with None remove) tensors of a head file and leave its header alone."""
    import json

    state, config = read_weights(path, "erlnet.head/1", "a test")
    state = {name: value for name, value in (load_file(path) | changes).items() if value is not None}
    save_file(state, path, metadata={"config": json.dumps(config)})


def test_round_trip(path: Path) -> None:
    before, after = toy_head(), read_head(path)
    for name, value in before.named_buffers():
        torch.testing.assert_close(getattr(after, name), value)
    assert after.expression_names == before.expression_names
    assert after.regions.keys() == before.regions.keys()
    for name, index in before.regions.items():
        torch.testing.assert_close(after.regions[name], index)
    np.testing.assert_array_equal(after.embeddings["mesh"].faces, before.embeddings["mesh"].faces)
    assert head_info(path)["name"] == "toy"


def test_identity_follows_content_not_packing(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    write_head(again, toy_head(), {"name": "toy", "remark": "built on another day"})
    assert head_identity(again) == head_identity(path)
    rewrite(again, template=toy_head().template + 1e-3)
    assert head_identity(again)["sha256"] != head_identity(path)["sha256"]


def test_missing_and_damaged(path: Path) -> None:
    with pytest.raises(MissingInput, match=r"tasks\.head"):
        read_head(path.with_name("none"))
    template = load_file(path)["template"]
    rewrite(path, template=None)
    with pytest.raises(DamagedArtifact, match="template is missing"):
        read_head(path)
    rewrite(path, template=template[:-1])
    with pytest.raises(DamagedArtifact, match="shape"):
        read_head(path)
    rewrite(path, template=template * torch.nan)
    with pytest.raises(DamagedArtifact, match="not finite"):
        read_head(path)
    rewrite(path, template=template, faces=torch.full((5, 3), 99, dtype=torch.int32))
    with pytest.raises(DamagedArtifact, match="faces points outside"):
        read_head(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DamagedArtifact):
        read_head(path)


def test_a_head_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name"):
        write_head(tmp_path / "head", toy_head(), {})
    assert not list(tmp_path.iterdir())
