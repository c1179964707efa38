"""Full-reference distances of two pictures: PSNR and SSIM.

Pictures are float tensors [3, H, W] in [0, 1]; a region is a bool mask [H, W].
"""

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

HIGHEST_PSNR = 100.0
SMALLEST_SSIM_SIDE = 11  # the window of Wang et al.


def psnr(a: Tensor, b: Tensor, region: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(1 / MSE), over the whole picture or over ``region``.

    100 dB (a cap) for equal pictures, NaN for an empty region.  The protocol's figure is the mean over frames of this
    (not the PSNR of the mean error).
    """
    error = (a.double() - b.double()).square().mean(0)
    if region is not None:
        error = error[region]
    # An infinite frame would make every mean over frames infinite.
    return float(-10 * torch.log10(error.mean().clamp(min=10 ** (-HIGHEST_PSNR / 10))))


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity (Wang et al., IEEE TIP 2004), Gaussian window 11 px, sigma 1.5; 1 for equal pictures."""
    value = structural_similarity_index_measure(
        a[None].float(), b[None].float(), data_range=1.0, kernel_size=SMALLEST_SSIM_SIDE, sigma=1.5
    )
    assert isinstance(value, Tensor)
    return float(value)
