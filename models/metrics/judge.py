"""All per-frame figures of one picture against the truth, measured the same way for every method."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.metrics.identity import FaceIdentity, csim
from models.metrics.landmarks import au_proxy, face_lmd, lmd, mouth_opening
from models.metrics.lpips import Lpips, pool
from models.metrics.pictures import psnr, ssim
from models.metrics.sharpness import cpbd

PER_FRAME = (
    "psnr", "ssim", "lpips",
    "psnr_face", "ssim_face", "lpips_face",
    "psnr_person", "lpips_person",
    "psnr_neck", "lpips_neck",
    "lmd", "f_lmd", "mouth_opening", "au_proxy",
    "csim", "cpbd",
)  # fmt: skip
"""Names of the figures of a frame; PSNR in dB, distances of landmarks and openings in pixels at 512, the
action-unit proxy in squared percent of the eyes' distance."""


@dataclass(frozen=True)
class Truth:
    """A held-out frame and its regions.

    picture: uint8 RGB [S, S, 3].  landmarks: iBUG-68 [68, 2] in px.  face: box x0, y0, x1, y1.
    person, neck: bool [S, S]; an empty one leaves its figures NaN.  embedding [D]: of the face's identity, None where
    none is measured.
    """

    picture: np.ndarray
    landmarks: np.ndarray
    face: tuple[int, int, int, int]
    person: np.ndarray
    neck: np.ndarray
    embedding: np.ndarray | None = None

    @cached_property
    def tensor(self) -> Tensor:
        return to_tensor(self.picture)


def to_tensor(picture: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] -> float32 [3, H, W] in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float() / 255


def to_grey(picture: np.ndarray) -> np.ndarray:
    """uint8 RGB [H, W, 3] -> float64 luma [H, W] in 0..255 (ITU-R BT.601)."""
    return picture.astype(np.float64) @ np.array([0.299, 0.587, 0.114])


@torch.no_grad()
def judge(
    truth: Truth,
    picture: np.ndarray,
    landmarks: np.ndarray | None,
    lpips: Lpips,
    identity: FaceIdentity | None = None,
) -> dict[str, float]:
    """The figures named in PER_FRAME of ``picture`` (uint8 [S, S, 3]); ``landmarks`` are those found in it
    ([68, 2] px; None where no face was found: the landmark figures are NaN).  Without ``identity`` CSIM is NaN."""
    a, b = truth.tensor, to_tensor(picture)
    x0, y0, x1, y1 = truth.face
    face_a, face_b = a[:, y0:y1, x0:x1], b[:, y0:y1, x0:x1]
    person, neck = torch.from_numpy(truth.person), torch.from_numpy(truth.neck)
    size = len(picture)
    found = np.full((68, 2), np.nan) if landmarks is None else landmarks
    distances = lpips.distances(a[None], b[None])
    same = float("nan")
    if identity is not None and landmarks is not None and truth.embedding is not None:
        same = csim(identity.embed(picture, landmarks), truth.embedding)
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
        "au_proxy": float(au_proxy(found, truth.landmarks)),
        "csim": same,
        "cpbd": cpbd(to_grey(picture)),
    }
