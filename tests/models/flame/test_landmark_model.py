import numpy as np
import torch
from scipy.optimize import minimize
from small_head import random_inputs, small_head

from models.flame.landmark_model import LandmarkModel
from models.flame.landmarks import LandmarkEmbedding, nearest_on_surface


def test_points_are_barycentric_combinations() -> None:
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    weights = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0, 0]])
    embedding = LandmarkEmbedding(torch.tensor([0, 0]), weights, torch.zeros(2))
    points = embedding.points(vertices, torch.tensor([[0, 1, 2]]))
    torch.testing.assert_close(points, torch.tensor([[0.3, 0.5, 0.0], [0.0, 0.0, 0.0]]))
    torch.testing.assert_close(
        embedding.subset(torch.tensor([1])).points(vertices, torch.tensor([[0, 1, 2]])), points[1:]
    )


def test_nearest_surface_point_against_a_general_optimiser() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(12, 3))
    faces = rng.permutation(12).reshape(4, 3)
    points = 2 * rng.normal(size=(15, 3))
    index, weights = nearest_on_surface(torch.from_numpy(points), torch.from_numpy(vertices), torch.from_numpy(faces))
    for point, face, weight in zip(points, index, weights.numpy(), strict=True):
        assert weight.min() >= 0
        assert abs(weight.sum() - 1) < 1e-12
        found = np.linalg.norm(weight @ vertices[faces[face]] - point)
        best = np.inf
        for corners in vertices[faces]:
            result = minimize(
                lambda w, c=corners, p=point: np.square(w @ c - p).sum(),
                [1 / 3] * 3,
                bounds=[(0, 1)] * 3,
                constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
                method="SLSQP",
            )
            best = min(best, float(np.sqrt(result.fun)))
        assert found <= best + 1e-5


def test_the_landmark_model_has_exact_derivatives() -> None:
    head = small_head()
    model = LandmarkModel.of(head, head.embeddings["mesh"])
    values = random_inputs(head, 2)
    x = 0.3 * torch.cat(
        [values[n] for n in ("global_rotation", "translation", "jaw_rotation", "eyes_rotation", "expression")], 1
    )
    x[:, 5] -= 3.0
    shape = 0.5 * values["shape"][0]
    moved = model.personal(shape)
    identity = LandmarkModel(
        moved.rest,
        model.shape_basis,
        model.expression_basis,
        model.pose_basis,
        model.weights,
        moved.joints,
        model.joints_basis,
    )
    uv, by_frame, shared = identity.linearise(x, 400.0, 256, identity=True)
    torch.testing.assert_close(uv, moved.project(x, 400.0, 256))
    numeric = torch.func.vmap(torch.func.jacrev(lambda y: moved.project(y[None], 400.0, 256)[0]))(x)
    torch.testing.assert_close(by_frame, numeric, atol=1e-8, rtol=1e-9)

    def projected(parameters: torch.Tensor) -> torch.Tensor:
        return model.personal(parameters[:-1]).project(x, 400.0 * parameters[-1].exp(), 256)

    numeric = torch.func.jacfwd(projected)(torch.cat([shape, torch.zeros(1, dtype=torch.float64)]))
    torch.testing.assert_close(shared, numeric, atol=1e-8, rtol=1e-9)
