"""What the portrait's networks run on: device, kernels, precision."""

from typing import Literal

import torch

from models.nerf import kernels
from tasks.errors import BadInput

Precision = Literal["auto", "full", "mixed"]


def device() -> torch.device:
    """The GPU where torch finds one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def kernels_on(device: torch.device) -> str:
    """Which kernels run there, for ``parts``: "torch (no GPU)", "fused (Triton 3.7.1)".  Raises BadInput where
    ERLNET_KERNELS asks for what cannot be had."""
    try:
        return kernels.described(device)
    except ValueError as error:
        raise BadInput(f"{error}; unset it to take what there is") from None


def is_mixed(precision: Precision, device: torch.device) -> bool:
    """Whether the perceptrons compute in bfloat16; auto: on a GPU."""
    return precision == "mixed" or (precision == "auto" and device.type == "cuda")
