import math

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from models.flame.landmark_model import left_jacobian
from models.flame.rotation import axis_angle_to_matrix, matrix_to_axis_angle


def test_matrices_agree_with_scipy_at_every_angle() -> None:
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(200, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = np.concatenate([np.geomspace(1e-12, 1e-2, 60), np.linspace(0.02, math.pi - 1e-6, 140)])
    vectors = axes * angles[:, None]
    matrices = axis_angle_to_matrix(torch.from_numpy(vectors))
    np.testing.assert_allclose(matrices.numpy(), Rotation.from_rotvec(vectors).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(matrix_to_axis_angle(matrices).numpy(), vectors, atol=1e-7)


def test_half_turns_come_back_up_to_sign() -> None:
    vectors = torch.tensor([[math.pi, 0, 0], [0, math.pi, 0], [0, 0, math.pi]], dtype=torch.float64)
    back = matrix_to_axis_angle(axis_angle_to_matrix(vectors))
    torch.testing.assert_close(back.abs(), vectors, atol=1e-7, rtol=0)


def test_gradients_are_right_and_finite_at_zero() -> None:
    small = torch.tensor([[1e-5, -2e-5, 3e-5], [0.3, -0.2, 0.7], [1e-3, 2e-3, 0.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(axis_angle_to_matrix, (small.requires_grad_(),), atol=1e-6)
    zero = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    axis_angle_to_matrix(zero)[0, 2, 1].backward()
    torch.testing.assert_close(zero.grad, torch.tensor([[1.0, 0, 0]], dtype=torch.float64))


def test_left_jacobian_composes_small_turns() -> None:
    rotation = torch.tensor([[0.4, -0.9, 0.3], [1e-4, 0, 0]], dtype=torch.float64)
    step = torch.tensor([[1e-6, 2e-6, -1e-6]], dtype=torch.float64)
    left = axis_angle_to_matrix((left_jacobian(rotation) @ step[..., None])[..., 0]) @ axis_angle_to_matrix(rotation)
    torch.testing.assert_close(left, axis_angle_to_matrix(rotation + step), atol=1e-11, rtol=0)
