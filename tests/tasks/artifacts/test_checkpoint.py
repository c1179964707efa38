"""Checkpoints: whose they are, and damaged ones."""

from pathlib import Path

import torch

from tasks.artifacts.checkpoint import Checkpoint, fingerprint, read_checkpoint, write_checkpoint


def test_a_checkpoint_of_other_inputs_is_not_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(b"one")
    first = fingerprint({"steps": 3}, [data])
    path = tmp_path / "nerf.safetensors"
    write_checkpoint(path, Checkpoint(2, 1.5, [{"step": 2.0}], {"w": torch.arange(3.0)}), first)
    found = read_checkpoint(path, first)
    assert found is not None
    assert (found.step, found.seconds, found.curve) == (2, 1.5, [{"step": 2.0}])
    data.write_bytes(b"two")
    assert read_checkpoint(path, fingerprint({"steps": 3}, [data])) is None
    assert read_checkpoint(path, fingerprint({"steps": 4}, [data])) is None
    path.write_bytes(path.read_bytes()[:-5])
    assert read_checkpoint(path, first) is None
    assert read_checkpoint(tmp_path / "none", first) is None
