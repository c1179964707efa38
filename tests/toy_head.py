"""A head of a few triangles in FLAME's layout: lips that open with the jaw, brows and lids that coefficients move."""

from pathlib import Path

import numpy as np
import torch

from models.flame.head import FlameHead
from models.flame.landmarks import LandmarkEmbedding
from tasks.artifacts.head import write_head

NAMES = ("mouthSmile", "browUp", "eyeBlinkLeft", "eyeBlinkRight", "cheekPuff", "mouthPucker")


def toy_head() -> FlameHead:
    """14 vertices: 0-2 upper lip, 3-5 lower lip, 6-7 brows, 8-9 lids, 10-11 eyeballs, 12 scalp, 13 neck."""
    template = torch.tensor(
        [[-0.02, -0.05, 0.1], [0, -0.05, 0.11], [0.02, -0.05, 0.1], [-0.02, -0.055, 0.1], [0, -0.055, 0.11],
         [0.02, -0.055, 0.1], [-0.03, 0.06, 0.09], [0.03, 0.06, 0.09], [-0.03, 0.035, 0.09], [0.03, 0.035, 0.09],
         [-0.03, 0.03, 0.08], [0.03, 0.03, 0.08], [0, 0.12, 0], [0, -0.12, 0]]
    )  # fmt: skip
    count = len(template)
    expression = torch.zeros(len(NAMES), count, 3)
    expression[0, [0, 2, 3, 5], 0] = torch.tensor([-0.01, 0.01, -0.01, 0.01])
    expression[1, [6, 7], 1] = 0.01
    expression[2, 8, 1] = expression[3, 9, 1] = -0.008
    expression[4, :6, 2] = 0.004
    expression[5, 3:6, 1] = -0.01
    weights = torch.zeros(count, 5)
    weights[:, 1] = 1.0
    for rows, joint in (([3, 4, 5], 2), ([10], 3), ([11], 4), ([13], 0)):
        weights[rows] = 0.0
        weights[rows, joint] = 1.0
    regressor = torch.zeros(5, count)
    for joint, vertex in enumerate((13, 13, 12, 10, 11)):
        regressor[joint, vertex] = 1.0
    faces = torch.tensor([[0, 1, 2], [3, 4, 5], [6, 7, 12], [8, 9, 12], [10, 11, 13]])
    corner = torch.zeros(478, 3)
    corner[:, 1] = 1.0
    triangle = torch.full((478,), 2)
    triangle[13], triangle[14] = 0, 1
    embedding = LandmarkEmbedding(triangle, corner, torch.zeros(478))
    regions = {"lips": [0, 1, 2, 3, 4, 5], "eyes": [10, 11], "face": list(range(10)), "neck": [13], "scalp": [12]}
    return FlameHead(
        template, torch.zeros(3, count, 3), expression, torch.zeros(36, count, 3), regressor, weights, faces, NAMES,
        torch.tensor([[0.0, 1.0]]).repeat(len(NAMES), 1),
        {name: torch.tensor(index) for name, index in regions.items()}, {"mesh": embedding},
    )  # fmt: skip


def write_toy_head(path: Path) -> None:
    write_head(path, toy_head(), {"name": "toy head", "made_of": np.int64(14).item()})
