"""Rotations: axis-angle vectors and matrices (Rodrigues' formula), differentiable and batched."""

import torch
from torch import Tensor


def axis_angle_to_matrix(rotation: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] of axis-angle vectors [..., 3] in radians (right-handed, x' = R x).

    Value and gradient are finite and exact at zero: the two factors of Rodrigues' formula are taken from their
    series where the angle is small.
    """
    square = (rotation * rotation).sum(-1)
    small = square < 1e-6
    safe = torch.where(small, torch.ones_like(square), square)
    angle = safe.sqrt()
    first = torch.where(small, 1 - square / 6, torch.sin(angle) / angle)  # sin(a)/a
    second = torch.where(small, 0.5 - square / 24, (1 - torch.cos(angle)) / safe)  # (1-cos a)/a²
    k = skew(rotation)
    identity = torch.eye(3, dtype=rotation.dtype, device=rotation.device)
    return identity + first[..., None, None] * k + second[..., None, None] * (k @ k)


def skew(vector: Tensor) -> Tensor:
    """Cross-product matrices [..., 3, 3] of vectors [..., 3]: skew(a) b = a × b."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Axis-angle vectors [..., 3] of rotation matrices [..., 3, 3]; angles in 0..pi.

    Goes through the unit quaternion of largest component (Shepperd 1978), which is stable at every angle.
    """
    m = matrix.reshape(*matrix.shape[:-2], 9)
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = m.unbind(-1)
    squares = torch.stack(
        [1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], -1
    )  # 4 q_i²
    products = torch.stack(
        [
            torch.stack([squares[..., 0], m21 - m12, m02 - m20, m10 - m01], -1),
            torch.stack([m21 - m12, squares[..., 1], m10 + m01, m02 + m20], -1),
            torch.stack([m02 - m20, m10 + m01, squares[..., 2], m12 + m21], -1),
            torch.stack([m10 - m01, m20 + m02, m21 + m12, squares[..., 3]], -1),
        ],
        -2,
    )  # row i is 4 q_i q
    best = squares.argmax(-1)
    row = products.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    quaternion = row / row.norm(dim=-1, keepdim=True)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    vector = quaternion[..., 1:]
    length = vector.norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(length, quaternion[..., :1])
    factor = torch.where(length < 1e-8, torch.full_like(length, 2.0), angle / length.clamp_min(1e-8))
    return vector * factor
