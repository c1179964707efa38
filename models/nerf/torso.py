"""How the torso moves in the picture: an affine map a frame, found by aligning each picture to the mean picture.

FLAME ends at the neck: nothing in it says where the shoulders are.  The camera stands still and the torso turns little,
so that its motion is, but for folds of cloth, an affine map of the picture plane.  A *motion* A [2, 3] stands for
T(x) = x + A (x, y, 1)^T, with x in -1..1 over the picture (y downwards), from the torso's canonical place (its mean
over the training frames) to its place in one frame.

Inverse compositional alignment after Baker & Matthews, "Lucas-Kanade 20 Years On" (IJCV 2004), coarse to fine, with
Tukey's weights and a gain and an offset of brightness a frame.  Every frame is aligned on its own: an error cannot
drift on into the next.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

SIDE = 128  # texels of a side of the pictures that are aligned
LEVELS = ((32, 8), (64, 8), (SIDE, 6))  # texels of a side, Gauss-Newton steps; coarse to fine
ROUNDS = 3  # of aligning to the mean picture and averaging anew
STIFFNESS = 1e-3  # damping of the linear part, as a share of the data's own curvature
TUKEY = 4.685  # of robust standard deviations
NOISE = 0.01  # least standard deviation of a residual, of 0..1
TEMPLATE_SHARE = 0.3  # texels that are torso in fewer frames than this are no part of the template
RIDGE = 0.01  # of the forecast, as a share of the standardised pose's variance
LEAST_VISIBLE = 0.35  # share of the template a frame must show


@dataclass
class TorsoTemplate:
    """picture [1, 1, SIDE, SIDE]: mean brightness in 0..1 at the canonical place; weight likewise: share of frames in
    which a texel is torso."""

    picture: torch.Tensor
    weight: torch.Tensor

    @property
    def empty(self) -> bool:
        """Whether there is too little torso to align anything to."""
        return int((self.weight > TEMPLATE_SHARE).sum()) < SIDE


@dataclass
class Alignment:
    """motion [N, 2, 3]; residual [N]: robust standard deviation of brightness left over (0..1); visible [N]: share of
    the template that the frame shows as torso.  A frame below LEAST_VISIBLE has the motion NaN."""

    motion: torch.Tensor
    residual: torch.Tensor
    visible: torch.Tensor


def inverse(motion: torch.Tensor) -> torch.Tensor:
    """The motion [N, 2, 3] of T^-1: from a place in the frame to the canonical place."""
    return _offsets(torch.linalg.inv(_matrices(motion)))


def followed_by(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The motion [N, 2, 3] of x -> second(first(x))."""
    return _offsets(_matrices(second) @ _matrices(first))


def moved(motion: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """T(places): motion [F, 2, 3], places [F, N, 2] in -1..1."""
    homogeneous = torch.cat([places, torch.ones_like(places[..., :1])], dim=-1)
    return places + torch.bmm(homogeneous, motion.transpose(1, 2))


def build_template(pictures: torch.Tensor, torso: torch.Tensor) -> TorsoTemplate:
    """The torso's mean picture over training frames.

    pictures [N, 1, SIDE, SIDE]: brightness in 0..1; torso likewise: share of each texel that is torso.  Starts from the
    frame in the middle of the clip; the mean motion of the result is the identity.
    """
    middle = len(pictures) // 2
    template = TorsoTemplate(pictures[middle : middle + 1], torso[middle : middle + 1])
    for _ in range(ROUNDS):
        if template.empty:
            break
        aligned = align(template, pictures, torso)
        seen = torch.isfinite(aligned.motion[:, 0, 0])
        matrices = _matrices(aligned.motion[seen])
        motion = _offsets(matrices @ torch.linalg.inv(matrices.mean(0)))
        grid = _grid(SIDE).expand(int(seen.sum()), -1, -1)
        share = _read(torso[seen], motion, grid)
        total = share.sum(0).clamp(min=1e-3)
        mean = (_read(pictures[seen], motion, grid) * share).sum(0) / total
        template = TorsoTemplate(mean.view(1, 1, SIDE, SIDE), share.mean(0).view(1, 1, SIDE, SIDE))
    return template


def align(template: TorsoTemplate, pictures: torch.Tensor, torso: torch.Tensor) -> Alignment:
    """Motion of every frame.  pictures, torso [N, 1, SIDE, SIDE] as for ``build_template``."""
    count = len(pictures)
    motion = torch.zeros(count, 2, 3)
    residual, visible = torch.zeros(count), torch.zeros(count)
    if not template.empty:
        for side, steps in LEVELS:
            motion, residual, visible = _align_level(template, pictures, torso, motion, side, steps)
    motion[visible < LEAST_VISIBLE] = torch.nan
    return Alignment(motion, residual, visible)


def fit_forecast(pose: torch.Tensor, motion: torch.Tensor) -> torch.Tensor:
    """Ridge regression of the torso's motion from the head's pose, for motion that was never filmed.

    pose [N, P] standardised; motion [N, 2, 3], rows of NaN are left out.  Returns [6, P + 1], the last column constant;
    zeros (the torso stays at its canonical place) where nothing was measured.
    """
    seen = torch.isfinite(motion[:, 0, 0])
    inputs = torch.cat([pose[seen], torch.ones(int(seen.sum()), 1)], dim=1).double()
    damping = RIDGE * max(int(seen.sum()), 1) * torch.eye(inputs.shape[1], dtype=torch.float64)
    damping[-1, -1] = 1e-6
    targets = motion[seen].reshape(-1, 6).double()
    return torch.linalg.solve(inputs.T @ inputs + damping, inputs.T @ targets).T.float()


def foretell(forecast: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
    """The motion [N, 2, 3] that ``fit_forecast``'s result gives for standardised poses [N, P]."""
    return (pose @ forecast[:, :-1].T + forecast[:, -1]).view(-1, 2, 3)


def _align_level(
    template: TorsoTemplate, pictures: torch.Tensor, torso: torch.Tensor, motion: torch.Tensor, side: int, steps: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    factor = SIDE // side
    goal, share, images, masks = (F.avg_pool2d(x, factor) for x in (template.picture, template.weight, pictures, torso))
    goal, images = _blur(goal), _blur(images)
    kept = share.view(-1) > TEMPLATE_SHARE
    weight = share.view(-1)[kept]
    places = _grid(side)[kept]
    homogeneous = torch.cat([places, torch.ones_like(places[:, :1])], dim=-1)
    # Derivatives per unit of -1..1: a texel is 2 / side wide, a central difference spans two of them.
    padded = F.pad(goal, (1, 1, 1, 1), mode="replicate")
    right = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    brightness = goal.view(-1)[kept]
    columns = [gradient.reshape(-1)[kept, None] * homogeneous * (side / 4) for gradient in (right, down)]
    jacobian = torch.cat([*columns, brightness[:, None], torch.ones_like(brightness)[:, None]], dim=1)  # [P, 8]
    damping = torch.tensor([STIFFNESS, STIFFNESS, 0, STIFFNESS, STIFFNESS, 0, 0, 0])
    grid = places.expand(len(images), -1, -1)
    residual = visible = torch.zeros(len(images))
    light = torch.zeros(len(images), 2)  # gain - 1 and offset of brightness
    for step in range(steps + 1):
        seen = _read(masks, motion, grid)[:, :, 0]
        error = _read(images, motion, grid)[:, :, 0] - brightness - light @ jacobian[:, 6:].T
        visible = (seen * weight).sum(1) / weight.sum()
        spread = 1.4826 * error.abs().median(dim=1, keepdim=True).values.clamp(min=NOISE / 1.4826)
        residual = spread[:, 0]
        if step == steps:
            break
        trust = weight * seen * (1 - (error / (TUKEY * spread)).clamp(-1, 1) ** 2) ** 2
        weighted = (jacobian * trust[..., None]).transpose(1, 2)
        normal = weighted @ jacobian
        normal = normal + torch.diag_embed(torch.diagonal(normal, dim1=1, dim2=2) * damping + 1e-4)
        change = torch.linalg.solve(normal, (weighted @ error[..., None])[..., 0])
        light = light + change[:, 6:]
        # The template was moved; the picture is moved by the inverse of it.
        motion = _offsets(_matrices(motion) @ torch.linalg.inv(_matrices(change[:, :6].view(-1, 2, 3))))
    return motion, residual, visible


def _matrices(motion: torch.Tensor) -> torch.Tensor:
    last = motion.new_zeros(len(motion), 1, 3)
    return torch.cat([motion, last], dim=1) + torch.eye(3, dtype=motion.dtype, device=motion.device)


def _offsets(matrices: torch.Tensor) -> torch.Tensor:
    return (matrices - torch.eye(3, dtype=matrices.dtype, device=matrices.device))[:, :2]


def _grid(side: int) -> torch.Tensor:
    """Centres of the texels [side * side, 2], x then y, row by row."""
    centres = (torch.arange(side) + 0.5) * 2 / side - 1
    down, right = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([right, down], dim=-1).view(-1, 2)


def _read(images: torch.Tensor, motion: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """images [N, C, S, S] at T(places) [N, P, 2] -> [N, P, C]."""
    where = moved(motion, places)[:, :, None]
    return F.grid_sample(images, where, padding_mode="border", align_corners=False)[..., 0].transpose(1, 2)


def _blur(images: torch.Tensor) -> torch.Tensor:
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    padded = F.pad(images, (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(padded, row.view(1, 1, 1, 5)), row.view(1, 1, 5, 1))
