"""The face mesh's points as the fitted head has them, for stages that need a mesh where 68 points were tracked."""

import numpy as np
import torch

from models.flame.camera import project
from models.flame.head import FlameHead
from tasks.artifacts.flame import FlameSequence

BLOCK = 64  # frames whose head is posed at once


def fitted_mesh(head: FlameHead, flame: FlameSequence) -> np.ndarray:
    """float32 [N, 478, 3]: pixels of the crop, the third coordinate zero; NaN where the track has no parameters."""
    embedding = head.embeddings["mesh"]
    points = np.full((len(flame), len(embedding), 3), np.nan, np.float32)
    shape = torch.from_numpy(np.asarray(flame.shape, np.float32))[None]
    for start in range(0, len(flame), BLOCK):
        rows = flame.slice(start, start + BLOCK)
        columns = (
            rows.expression, rows.global_rotation, rows.neck_rotation, rows.jaw_rotation, rows.eyes_rotation,
            rows.translation,
        )  # fmt: skip
        with torch.inference_mode():
            vertices = head(shape, *(torch.tensor(c) for c in columns))
            uv = project(embedding.points(vertices, head.faces), flame.focal, flame.image_size)
        points[start : start + BLOCK, :, :2] = uv.numpy()
    points[..., 2] = 0.0
    points[~flame.usable] = np.nan
    return points
