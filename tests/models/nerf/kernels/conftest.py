"""Runs the kernels: compiled where there is a GPU, else in Triton's interpreter, which walks them on CPU tensors."""

import os

import pytest
import torch

ON_GPU = torch.cuda.is_available()
if not ON_GPU:
    os.environ["TRITON_INTERPRET"] = "1"  # before triton is imported: it decides there how its own functions run
triton = pytest.importorskip("triton", reason="triton is not installed: pip install -r requirements/kernels.txt")


@pytest.fixture
def device():
    return torch.device("cuda" if ON_GPU else "cpu")
