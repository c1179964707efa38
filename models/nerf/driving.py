"""What a FLAME sequence tells the two branches, frame by frame.

Everything here follows from FLAME parameters alone, so that a frame nobody has ever filmed is driven the same way as
a training frame.  No code is learned per frame.
"""

from dataclasses import dataclass

import numpy as np
import torch

from models.flame.head import FlameHead
from models.flame.rotation import axis_angle_to_matrix
from models.nerf.front_map import FrontMap, build_front_map
from models.nerf.torso.motion import COEFFICIENTS

CHUNK = 64  # frames whose vertices are in memory at once
LIMIT = 4.0  # standard deviations: drivers beyond what training showed are held there


@dataclass
class FlameArrays:
    """Parameters of N frames as float32 arrays, all finite: the fields of the FLAME sequence of the same names.

    shape [S]; expression [N, E]; global_rotation, neck_rotation, jaw_rotation, translation [N, 3];
    eyes_rotation [N, 6].
    """

    shape: np.ndarray
    expression: np.ndarray
    global_rotation: np.ndarray
    neck_rotation: np.ndarray
    jaw_rotation: np.ndarray
    eyes_rotation: np.ndarray
    translation: np.ndarray

    def __len__(self) -> int:
        return len(self.expression)


@dataclass
class Driving:
    """Conditions of N frames.

    rotation [N, 3, 3], translation [N, 3]: x_camera = R x_head + t.  displacement float16 [N, 3, M, M]: how far
    expression, jaw, eyes and neck moved the front of the head (metres, head frame).  face [N, A] and pose [N, 15]: raw
    drivers of the head's features (expression, jaw, eyes) and of the torso (pose of skull and trunk).  torso [N, 2,
    COEFFICIENTS]: the torso's motion in the picture (torso/motion.py); NaN where it was not measured and the network
    foretells it from the pose.
    """

    rotation: torch.Tensor
    translation: torch.Tensor
    displacement: torch.Tensor
    face: torch.Tensor
    pose: torch.Tensor
    torso: torch.Tensor

    def __len__(self) -> int:
        return len(self.rotation)

    def pick(self, rows: torch.Tensor, device: torch.device | None = None) -> "Driving":
        """The rows named, in float32, on ``device``."""
        parts = (self.rotation, self.translation, self.displacement, self.face, self.pose, self.torso)
        return Driving(*(part[rows].float().to(device) for part in parts))


def rest_vertices(head: FlameHead, shape: np.ndarray) -> torch.Tensor:
    """The person's neutral, unposed head [V, 3] in the head frame."""
    return head.shaped(torch.as_tensor(shape, dtype=torch.float32)[None])[0]


def person_front_map(head: FlameHead, shape: np.ndarray, resolution: int) -> FrontMap:
    """Front map of this person's neutral head."""
    return build_front_map(rest_vertices(head, shape).numpy(), head.faces.numpy(), resolution)


def driving_of(
    head: FlameHead,
    arrays: FlameArrays,
    front: FrontMap,
    rows: slice = slice(None),
    torso: np.ndarray | None = None,
) -> Driving:
    """Conditions of the frames ``rows`` of ``arrays``.  A frame's conditions depend on that frame alone.

    torso [N, 2, COEFFICIENTS]: motion of the torso in every frame of ``arrays``, NaN where unknown; None: it is
    foretold.
    """
    shape = torch.as_tensor(arrays.shape, dtype=torch.float32)[None]
    rest = rest_vertices(head, arrays.shape)
    names = ("expression", "global_rotation", "neck_rotation", "jaw_rotation", "eyes_rotation", "translation")
    values = {name: torch.as_tensor(np.asarray(getattr(arrays, name)[rows], np.float32)) for name in names}
    rotation, translation = head.head_pose(
        shape, values["global_rotation"], values["neck_rotation"], values["translation"]
    )
    maps = []
    for part in torch.arange(len(rotation)).split(CHUNK):
        posed = head(shape, **{name: value[part] for name, value in values.items()})
        # x_head = R^T (x_camera - t), for row vectors.
        unposed = torch.bmm(posed - translation[part, None], rotation[part])
        maps.append(front.displacement(unposed, rest).half())
    face = torch.cat([values["expression"], values["jaw_rotation"], values["eyes_rotation"]], dim=1)
    trunk = axis_angle_to_matrix(values["global_rotation"])[:, :2].flatten(1)
    pose = torch.cat([rotation[:, :2].flatten(1), trunk, translation], dim=1)
    unknown = np.full((len(arrays), 2, COEFFICIENTS), np.nan, np.float32)
    motion = torch.tensor((unknown if torso is None else torso)[rows], dtype=torch.float32)
    return Driving(rotation, translation, torch.cat(maps), face, pose, motion)


def standardisation(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and scale per column of [N, C].  Columns that hardly move are not blown up into noise."""
    scale = values.std(0, correction=0)
    return values.mean(0), scale.clamp(min=max(1e-6, 0.1 * float(scale.max())))


def standardise(values: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Drivers in units of their training spread, softly held within +-LIMIT (identity near zero)."""
    return LIMIT * torch.tanh((values - mean) / (scale * LIMIT))
