"""Rendered views of a head with random identity, pose and light, for a landmark detector to look at."""

from collections.abc import Iterator

import numpy as np
import torch

from models.flame.embedding import View
from models.flame.head import FlameHead
from models.flame.rotation import axis_angle_to_matrix
from models.flame.shading import Light, shade

SKINS = ((225, 185, 160), (200, 155, 125), (150, 105, 80), (235, 200, 180))


def random_views(
    head: FlameHead,
    colours: np.ndarray,
    count: int,
    size: int = 448,
    seed: int = 0,
    identity: float = 0.8,
    opening: np.ndarray | None = None,
) -> Iterator[View]:
    """Yield ``count`` views; every other one has the mouth open (jaw turned by 0.2 rad).

    opening: expression coefficients [E] that open the mouth of a head whose jaw joint does not.
    colours [V, 3]: RGB of the surface, tinted per view.  identity: standard deviation of the identity coefficients.
    Yaw and pitch are normal with 14 and 8 degrees; the face fills about half the picture.
    """
    rng = np.random.default_rng(seed)
    dtype = head.template.dtype
    focal = 2.2 * size
    for i in range(count):
        jaw = 0.2 if i % 2 else 0.0
        tint = np.asarray(SKINS[i % len(SKINS)]) / np.asarray(SKINS[0])
        light = Light(tuple(rng.normal((0, 0.3, 1.0), (0.4, 0.3, 0.1)).tolist()), 0.35)
        shape = rng.normal(0, identity, (1, head.shape_size))
        rotation = [[np.radians(rng.normal(0, 8)), np.radians(rng.normal(0, 14)), np.radians(rng.normal(0, 3))]]
        values = {
            "shape": shape,
            "expression": np.zeros((1, head.expression_size)) if opening is None or not i % 2 else opening[None],
            "global_rotation": rotation,
            "neck_rotation": np.zeros((1, 3)),
            "jaw_rotation": [[jaw, 0.0, 0.0]],
            "eyes_rotation": np.zeros((1, 6)),
            "translation": [[*rng.normal(0, 0.005, 2), -0.75]],
        }
        with torch.no_grad():
            vertices = head(**{name: torch.as_tensor(value, dtype=dtype) for name, value in values.items()})[0]
        picture, _ = shade(
            vertices.double().numpy(), head.faces.numpy(), (colours * tint).clip(0, 255), focal, size, light
        )
        turn = axis_angle_to_matrix(torch.as_tensor(rotation, dtype=torch.float64))[0].numpy()
        towards = turn.T @ np.array([0.0, 0.0, 1.0])
        yield View(picture, vertices.double().numpy(), focal, towards, jaw > 0)
