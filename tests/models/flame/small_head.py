"""A made-up head of a few vertices in which every term of FLAME's formula is at work."""

import torch

from models.flame.head import FlameHead
from models.flame.landmarks import LandmarkEmbedding


def small_head(vertices: int = 40, shapes: int = 5, expressions: int = 4, seed: int = 0) -> FlameHead:
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    weights = normal(vertices, 5).softmax(-1)
    regressor = (2 * normal(5, vertices)).softmax(-1)
    faces = torch.stack([torch.randperm(vertices, generator=generator)[:3] for _ in range(60)])
    barycentric = normal(60, 3).softmax(-1)
    embedding = LandmarkEmbedding(torch.arange(60), barycentric, torch.zeros(60, dtype=torch.float64))
    regions = {name: torch.arange(3) for name in ("lips", "eyes", "face", "neck", "scalp")}
    return FlameHead(
        template=0.1 * normal(vertices, 3),
        shape_basis=0.01 * normal(shapes, vertices, 3),
        expression_basis=0.01 * normal(expressions, vertices, 3),
        pose_basis=0.01 * normal(36, vertices, 3),
        joint_regressor=regressor,
        skinning_weights=weights,
        faces=faces,
        expression_names=[f"action{i}" for i in range(expressions)],
        expression_range=torch.tensor([[0.0, 1.0]] * expressions, dtype=torch.float64),
        regions=regions,
        embeddings={"mesh": embedding},
    )


def random_inputs(head: FlameHead, batch: int, seed: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = {
        "shape": head.shape_size,
        "expression": head.expression_size,
        "global_rotation": 3,
        "neck_rotation": 3,
        "jaw_rotation": 3,
        "eyes_rotation": 6,
        "translation": 3,
    }
    return {
        name: 0.7 * torch.randn(batch, size, generator=generator, dtype=torch.float64) for name, size in sizes.items()
    }
