"""PSNR and SSIM against closed forms and scikit-image, the judge against its parts."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from models.metrics.judge import PER_FRAME, Truth, judge, to_tensor
from models.metrics.lpips import Lpips
from models.metrics.pictures import psnr, ssim


def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    a = rng.integers(0, 256, (48, 48, 3), np.uint8)
    return a, np.clip(a.astype(int) + rng.integers(-40, 40, a.shape), 0, 255).astype(np.uint8)


def test_psnr_equals_closed_form_and_scikit_image() -> None:
    a, b = pair()
    assert psnr(to_tensor(a), to_tensor(b)) == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-5)
    flat = torch.full((3, 8, 8), 0.5)
    assert psnr(flat, flat + 0.1) == pytest.approx(20.0, abs=1e-4)
    assert psnr(flat, flat) == 100.0


def test_psnr_of_a_region_sees_only_the_region() -> None:
    flat = torch.full((3, 8, 8), 0.5)
    other = flat.clone()
    other[:, :, 4:] += 0.1
    region = torch.zeros(8, 8, dtype=torch.bool)
    assert math.isnan(psnr(flat, other, region))
    region[:, 4:] = True
    assert psnr(flat, other, region) == pytest.approx(20.0, abs=1e-4)
    assert psnr(flat, other, ~region) == 100.0


def test_ssim_equals_scikit_image() -> None:
    a, b = pair()
    expected, full = structural_similarity(
        a, b, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    del expected  # it leaves out a border; torchmetrics reflects the picture and keeps the border's inner part
    inner = full[5:-5, 5:-5].mean()
    assert ssim(to_tensor(a), to_tensor(b)) == pytest.approx(inner, abs=2e-3)
    assert ssim(to_tensor(a), to_tensor(a)) == pytest.approx(1.0, abs=1e-6)


def test_judge_measures_each_region_on_its_own() -> None:
    torch.manual_seed(0)
    network = Lpips()
    for parameter in network.parameters():
        parameter.normal_(0, 0.1).abs_()
    a, _ = pair()
    b = a.copy()
    b[:, 40:] = 255 - b[:, 40:]  # wrong only at the right edge
    person, neck = np.zeros((48, 48), bool), np.zeros((48, 48), bool)
    person[:, :40] = True
    landmarks = np.random.default_rng(0).random((68, 2)) * 48
    truth = Truth(a, landmarks, (2, 2, 36, 36), person, neck)
    found = judge(truth, b, landmarks + np.array([3, 4]), network)
    assert tuple(found) == PER_FRAME
    assert found["psnr"] < 30
    assert found["psnr_face"] == found["psnr_person"] == 100.0
    assert found["lpips_face"] == 0 < found["lpips"]
    assert math.isnan(found["psnr_neck"])
    assert math.isnan(found["lpips_neck"])
    assert found["lmd"] == pytest.approx(0, abs=1e-9)  # a shift of all points is centred away
    nothing = judge(truth, b, None, network)
    assert math.isnan(nothing["lmd"])
    assert nothing["psnr"] == found["psnr"]
