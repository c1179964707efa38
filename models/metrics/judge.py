"""All per-frame figures of one picture against the truth, measured the same way for every method."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.metrics.landmarks import face_lmd, lmd, mouth_opening
from models.metrics.lpips import Lpips, pool
from models.metrics.pictures import psnr, ssim

PER_FRAME = (
    "psnr", "ssim", "lpips",
    "psnr_face", "ssim_face", "lpips_face",
    "psnr_person", "lpips_person",
    "psnr_neck", "lpips_neck",
    "lmd", "f_lmd", "mouth_opening",
)  # fmt: skip
"""Names of the figures of a frame; PSNR in dB, distances of landmarks and openings in pixels at 512."""


@dataclass(frozen=True)
class Truth:
    """A held-out frame and its regions.

    picture: uint8 RGB [S, S, 3].  landmarks: iBUG-68 [68, 2] in px.  face: box x0, y0, x1, y1.
    person, neck: bool [S, S]; an empty one leaves its figures NaN.
    """

    picture: np.ndarray
    landmarks: np.ndarray
    face: tuple[int, int, int, int]
    person: np.ndarray
    neck: np.ndarray

    @cached_property
    def tensor(self) -> Tensor:
        return to_tensor(self.picture)


def to_tensor(picture: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] -> float32 [3, H, W] in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float() / 255


@torch.no_grad()
def judge(truth: Truth, picture: np.ndarray, landmarks: np.ndarray | None, lpips: Lpips) -> dict[str, float]:
    """The figures named in PER_FRAME of ``picture`` (uint8 [S, S, 3]); ``landmarks`` are those found in it
    ([68, 2] px; None where no face was found: the landmark figures are NaN)."""
    a, b = truth.tensor, to_tensor(picture)
    x0, y0, x1, y1 = truth.face
    face_a, face_b = a[:, y0:y1, x0:x1], b[:, y0:y1, x0:x1]
    person, neck = torch.from_numpy(truth.person), torch.from_numpy(truth.neck)
    size = len(picture)
    found = np.full((68, 2), np.nan) if landmarks is None else landmarks
    distances = lpips.distances(a[None], b[None])
    return {
        "psnr": psnr(a, b),
        "ssim": ssim(a, b),
        "lpips": float(pool(distances)),
        "psnr_face": psnr(face_a, face_b),
        "ssim_face": ssim(face_a, face_b),
        "lpips_face": float(lpips(face_a[None], face_b[None])),
        "psnr_person": psnr(a, b, person),
        "lpips_person": float(pool(distances, person[None].float())),
        "psnr_neck": psnr(a, b, neck),
        "lpips_neck": float(pool(distances, neck[None].float())),
        "lmd": float(lmd(found, truth.landmarks, size)),
        "f_lmd": float(face_lmd(found, truth.landmarks, size)),
        "mouth_opening": float(mouth_opening(found, size)),
    }
