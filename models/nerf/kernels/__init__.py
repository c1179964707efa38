"""Triton kernels behind the functions of planes, front_map and compositing, for CUDA tensors.

    lookup     bilinear lookup of up to four planes in one launch, forward and backward (planes.lookup, lookup_all)
    surface    where rays meet the displaced height field, all steps in one launch (front_map.meet_surface)
    composite  weights and features of both branches along each ray, forward and backward (compositing.composite)

The torch code beside them says what they compute and is what runs without a GPU; docs/decisions/0031 says what is
proven of them.  Triton is imported where a kernel is first launched and nowhere else.
"""

import importlib.util
import os
from functools import cache

import torch

SWITCH = "ERLNET_KERNELS"
CHOICES = ("auto", "torch", "fused")


def chosen() -> str:
    """auto (Triton on CUDA tensors where it is installed), torch (never) or fused (Triton, or an error), as the
    environment says.  Raises ValueError for another word."""
    word = os.environ.get(SWITCH, "") or "auto"
    if word not in CHOICES:
        raise ValueError(f"{SWITCH} is {word!r}: choose one of {', '.join(CHOICES)}")
    return word


@cache
def installed() -> bool:
    return importlib.util.find_spec("triton") is not None


def fused(tensor: torch.Tensor) -> bool:
    """Whether what is computed with ``tensor`` goes through the kernels."""
    return tensor.is_cuda and installed() and chosen() != "torch"


def described(device: torch.device) -> str:
    """Which kernels run on ``device``, and why not the others.  Raises ValueError where ``fused`` is asked for and
    cannot be had."""
    reason = "no GPU" if device.type != "cuda" else "" if installed() else "triton is not installed"
    if chosen() == "torch":
        return f"torch ({SWITCH}=torch)"
    if reason and chosen() == "fused":
        raise ValueError(
            f"{SWITCH}=fused, but there is {reason}" if "GPU" in reason else f"{SWITCH}=fused, but {reason}"
        )
    if reason:
        return f"torch ({reason})"
    from importlib.metadata import version

    return f"fused (Triton {version('triton')})"
