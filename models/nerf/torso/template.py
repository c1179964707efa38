"""The torso's mean picture, and how pictures are read for alignment."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

SIDE = 256  # texels of a side of the pictures that are aligned
COARSE = 128  # and of the coarser ones that all but the last refinement is measured on
SHARE = 0.3  # texels that are torso in fewer frames than this are no part of the template
LEAST = 1 / 128  # of the picture: torso that there must be to align anything to
TUKEY = 4.685  # of robust standard deviations
NOISE = 0.01  # least standard deviation of a residual, of 0..1


@dataclass
class Views:
    """N frames as alignment sees them.

    pictures [N, 1, SIDE, SIDE]: brightness in 0..1.  torso likewise: share of each texel that is torso.  near likewise:
    share that is torso or the rim of neck and head beside it: only both sides of a collar's edge say where it is.
    """

    pictures: torch.Tensor
    torso: torch.Tensor
    near: torch.Tensor

    def __len__(self) -> int:
        return len(self.pictures)

    def at(self, side: int) -> "Views":
        """The same at fewer texels a side."""
        return Views(*(shrunk(part, side) for part in (self.pictures, self.torso, self.near)))

    def pick(self, rows: torch.Tensor) -> "Views":
        """The rows named, or those of a mask."""
        return Views(self.pictures[rows], self.torso[rows], self.near[rows])


@dataclass
class TorsoTemplate:
    """picture [1, 1, SIDE, SIDE]: mean brightness in 0..1 at the canonical place.  torso, near likewise: share of the
    frames in which a texel is torso, and in which it is torso or the rim of the person beside it."""

    picture: torch.Tensor
    torso: torch.Tensor
    near: torch.Tensor

    @property
    def empty(self) -> bool:
        """Whether there is too little torso to align anything to."""
        return float((self.torso > SHARE).float().mean()) < LEAST


def grid(side: int) -> torch.Tensor:
    """Centres of the texels [side * side, 2], x then y, row by row."""
    centres = (torch.arange(side) + 0.5) * 2 / side - 1
    down, right = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([right, down], dim=-1).view(-1, 2)


def read(images: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """images [N, C, S, S] at places [N, P, 2] -> [N, P, C]."""
    values = F.grid_sample(images, places[:, :, None], padding_mode="border", align_corners=False)
    return values[..., 0].transpose(1, 2)


def shrunk(images: torch.Tensor, side: int) -> torch.Tensor:
    """images [N, C, S, S] averaged to ``side``, a divisor of S."""
    factor = images.shape[-1] // side
    return images if factor == 1 else F.avg_pool2d(images, factor)


def blur(images: torch.Tensor) -> torch.Tensor:
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    padded = F.pad(images, (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(padded, row.view(1, 1, 1, 5)), row.view(1, 1, 5, 1))


def gradient(images: torch.Tensor) -> torch.Tensor:
    """Derivatives [N, 2, S, S] along x and y of images [N, 1, S, S], per unit of -1..1."""
    # A texel is 2 / side wide, a central difference spans two of them.
    scale = images.shape[-1] / 4
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    right = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return torch.cat([right, down], dim=1) * scale


def robust_spread(error: torch.Tensor) -> torch.Tensor:
    """Robust standard deviation [N, 1] of errors [N, P]."""
    return 1.4826 * error.abs().median(dim=1, keepdim=True).values.clamp(min=NOISE / 1.4826)


def tukey(error: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Tukey's biweight of errors [N, P] of the robust standard deviations ``spread`` [N, 1]: 1 for none, 0 far out."""
    return (1 - (error / (TUKEY * spread)).clamp(-1, 1) ** 2) ** 2
