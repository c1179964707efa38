"""Which kernels run, and what is said of it."""

import subprocess
import sys

import pytest
import torch

from models.nerf import kernels
from tasks import accelerator
from tasks.errors import BadInput

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("device", "installed", "word", "expected"),
    [
        (CPU, True, "", "torch (no GPU)"),
        (CPU, False, "torch", "torch (ERLNET_KERNELS=torch)"),
        (GPU, False, "auto", "torch (triton is not installed)"),
        (GPU, True, "torch", "torch (ERLNET_KERNELS=torch)"),
    ],
)
def test_what_is_said(device, installed, word, expected, monkeypatch):
    monkeypatch.setattr(kernels, "installed", lambda: installed)
    monkeypatch.setenv("ERLNET_KERNELS", word)
    assert accelerator.kernels_on(device) == expected


def test_fused_kernels_are_named_with_their_version(monkeypatch):
    pytest.importorskip("triton", reason="triton is not installed: pip install -r requirements/kernels.txt")
    monkeypatch.delenv("ERLNET_KERNELS", raising=False)
    assert accelerator.kernels_on(GPU).startswith("fused (Triton 3.")


@pytest.mark.parametrize(
    ("word", "device", "installed"), [("fused", CPU, True), ("fused", GPU, False), ("fast", CPU, True)]
)
def test_a_wish_that_cannot_be_met_is_refused(word, device, installed, monkeypatch):
    monkeypatch.setattr(kernels, "installed", lambda: installed)
    monkeypatch.setenv("ERLNET_KERNELS", word)
    with pytest.raises(BadInput, match="ERLNET_KERNELS") as raised:
        accelerator.kernels_on(device)
    assert "\n" not in str(raised.value)


def test_tensors_of_the_processor_take_torch(monkeypatch):
    monkeypatch.delenv("ERLNET_KERNELS", raising=False)
    assert not kernels.fused(torch.zeros(1))


def test_triton_is_not_imported_on_the_processor():
    code = (
        "import sys, torch; from models.nerf.planes import lookup_all; import models.nerf.training\n"
        "lookup_all([torch.ones(1, 2, 3, 4)], [torch.zeros(1, 5, 2)]); assert 'triton' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("precision", "device", "mixed"),
    [("auto", CPU, False), ("auto", GPU, True), ("full", GPU, False), ("mixed", CPU, True)],
)
def test_precision_follows_the_device_unless_it_is_named(precision, device, mixed):
    assert accelerator.is_mixed(precision, device) is mixed
