"""A head model reduced to its landmarks, with the analytic derivatives that a Gauss-Newton fit needs.

Every landmark is a point of its own: rest position, bases and skinning weights are interpolated from its triangle's
corners.  (FlameHead interpolates after skinning; within a triangle of a few millimetres the two differ by less than
a tenth of one.)  The neck is not turned: from the face alone only the product of global and neck rotation is seen.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.flame.head import FlameHead
from models.flame.landmarks import LandmarkEmbedding
from models.flame.rotation import axis_angle_to_matrix, skew

GLOBAL = slice(0, 3)
TRANSLATION = slice(3, 6)
JAW = slice(6, 9)
LEFT_EYE = slice(9, 12)
RIGHT_EYE = slice(12, 15)
EYES = slice(9, 15)
EXPRESSION = slice(15, None)
POSE_SIZE = 15
"""Layout of a frame's parameter vector [15 + E]: rotations axis-angle in radians, translation in metres."""

_SKINNED = ((2, JAW), (3, LEFT_EYE), (4, RIGHT_EYE))


@dataclass
class LandmarkModel:
    """L landmarks of a head with identity coefficients still free.

    rest [L, 3]; shape_basis [L, 3, S]; expression_basis [L, 3, E]; pose_basis [L, 3, 36]; weights [L, 5];
    joints [5, 3] of the mean identity and joints_basis [5, 3, S] their change with identity.
    """

    rest: Tensor
    shape_basis: Tensor
    expression_basis: Tensor
    pose_basis: Tensor
    weights: Tensor
    joints: Tensor
    joints_basis: Tensor

    @classmethod
    def of(cls, head: FlameHead, embedding: LandmarkEmbedding, dtype: torch.dtype = torch.float64) -> "LandmarkModel":
        """Reduce ``head`` to the landmarks of ``embedding``."""

        def at_landmarks(values: Tensor) -> Tensor:
            return embedding.points(values.to(dtype), head.faces)

        template = head.template.to(dtype)
        regressor = head.joint_regressor.to(dtype)
        return cls(
            rest=at_landmarks(template),
            shape_basis=at_landmarks(head.shape_basis).permute(1, 2, 0).contiguous(),
            expression_basis=at_landmarks(head.expression_basis).permute(1, 2, 0).contiguous(),
            pose_basis=at_landmarks(head.pose_basis).permute(1, 2, 0).contiguous(),
            weights=at_landmarks(head.skinning_weights),
            joints=regressor @ template,
            joints_basis=torch.einsum("jv,svc->jcs", regressor, head.shape_basis.to(dtype)),
        )

    @property
    def shape_size(self) -> int:
        return self.shape_basis.shape[-1]

    @property
    def expression_size(self) -> int:
        return self.expression_basis.shape[-1]

    def personal(self, shape: Tensor, dtype: torch.dtype | None = None) -> "LandmarkModel":
        """The model of one identity [S]: rest points and joints moved, no identity coefficients left."""
        dtype = dtype or self.rest.dtype
        shape = shape.to(self.rest)
        return LandmarkModel(
            rest=(self.rest + self.shape_basis @ shape).to(dtype),
            shape_basis=self.shape_basis[..., :0].to(dtype),
            expression_basis=self.expression_basis.to(dtype),
            pose_basis=self.pose_basis.to(dtype),
            weights=self.weights.to(dtype),
            joints=(self.joints + self.joints_basis @ shape).to(dtype),
            joints_basis=self.joints_basis[..., :0].to(dtype),
        )

    def points(self, parameters: Tensor) -> Tensor:
        """Camera-frame landmarks [B, L, 3] of parameter vectors [B, 15 + E]."""
        return self._pose(parameters)[0]

    def _pose(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Points [B,L,3]; points before the translation relative to the root joint; blended local rotation
        [B,L,3,3]; local rotations [B,3,3,3] of jaw and eyes; unskinned points [B,L,3]."""
        rotations = axis_angle_to_matrix(x[:, 6:15].reshape(-1, 3, 3))
        difference = rotations - torch.eye(3, dtype=x.dtype)
        unposed = self.rest + torch.einsum("lce,be->blc", self.expression_basis, x[:, EXPRESSION])
        unposed = unposed + torch.einsum("lcp,bp->blc", self.pose_basis[..., 9:], difference.reshape(len(x), 27))
        blend = torch.einsum("lj,bjrc->blrc", self.weights[:, 2:], difference)
        offset = torch.einsum("lj,bjr->blr", self.weights[:, 2:], -(difference @ self.joints[2:, :, None])[..., 0])
        local = unposed + (blend * unposed[..., None, :]).sum(-1) + offset
        turned = (local - self.joints[0]) @ axis_angle_to_matrix(x[:, GLOBAL]).transpose(1, 2)
        points = turned + self.joints[0] + x[:, None, TRANSLATION]
        return points, turned, blend + torch.eye(3, dtype=x.dtype), rotations, unposed

    def project(self, parameters: Tensor, focal: float, size: float) -> Tensor:
        """Pixel positions [B, L, 2]."""
        points = self.points(parameters)
        scale = focal / -points[..., 2:]
        return size / 2 + scale * points[..., :2] * torch.tensor([1.0, -1.0], dtype=points.dtype)

    def linearise(self, x: Tensor, focal: float, size: float, identity: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Pixel positions [B, L, 2], their Jacobian [B, L, 2, P] by the frame's parameters, and [B, L, 2, G] by the
        global ones: identity coefficients, then the logarithm of the focal length (G = 0 unless ``identity``)."""
        points, turned, blend, rotations, unposed = self._pose(x)
        inverse = 1 / -points[..., 2]
        flat = points[..., :2] * inverse[..., None] * torch.tensor([1.0, -1.0], dtype=x.dtype)
        uv = size / 2 + focal * flat
        camera = torch.zeros(*points.shape[:2], 2, 3, dtype=x.dtype)  # d uv / d point
        camera[..., 0, 0] = focal * inverse
        camera[..., 1, 1] = -focal * inverse
        camera[..., :, 2] = focal * inverse[..., None] * flat
        to_local = _small(camera, axis_angle_to_matrix(x[:, GLOBAL])[:, None])  # d uv / d (skinned, head frame)
        to_unposed = _small(to_local, blend)

        jacobian = torch.empty(*points.shape[:2], 2, x.shape[1], dtype=x.dtype)
        # A row c of a derivative and a small turn d of an arm a: c · (d × a) = (a × c) · d.
        jacobian[..., GLOBAL] = _small(_cross(turned, camera), left_jacobian(x[:, None, GLOBAL]))
        jacobian[..., TRANSLATION] = camera
        for k, (joint, columns) in enumerate(_SKINNED):
            rotation = rotations[:, k]
            arm = (unposed - self.joints[joint]) @ rotation.transpose(1, 2)
            direct = _cross(arm, to_local) * self.weights[:, joint, None, None]
            # The correctives follow the entries of R - I, whose change for a small turn d is [d]x R.
            generators = skew(torch.eye(3, dtype=x.dtype))  # [3, 3, 3]
            change = (generators @ rotation[:, None]).reshape(len(x), 3, 9)
            basis = self.pose_basis[..., 9 * (joint - 1) : 9 * joint]
            moved = torch.einsum("lcp,bdp->blcd", basis, change)
            corrective = _small(to_unposed, moved)
            jacobian[..., columns] = _small(direct + corrective, left_jacobian(x[:, None, columns]))
        jacobian[..., EXPRESSION] = _per_landmark(to_unposed, self.expression_basis)

        if not identity:
            return uv, jacobian, jacobian[..., :0]
        shaped = _per_landmark(to_unposed, self.shape_basis)
        for k, (joint, _) in enumerate(_SKINNED):
            turn = (rotations[:, k] - torch.eye(3, dtype=x.dtype)) @ self.joints_basis[joint]
            shaped -= to_local @ (turn[:, None] * self.weights[:, joint, None, None])
        shaped += (camera - to_local) @ self.joints_basis[0]
        return uv, jacobian, torch.cat([shaped, (focal * flat)[..., None]], -1)


def _small(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product [..., I, 3] x [..., 3, K] written out: many times faster than a batch of tiny matmuls."""
    return (
        a[..., :, 0, None] * b[..., None, 0, :]
        + a[..., :, 1, None] * b[..., None, 1, :]
        + a[..., :, 2, None] * b[..., None, 2, :]
    )


def _cross(arm: Tensor, rows: Tensor) -> Tensor:
    """arm [B, L, 3] × every row of rows [B, L, I, 3]."""
    x, y, z = arm[..., None, :].unbind(-1)
    u, v, w = rows.unbind(-1)
    return torch.stack([y * w - z * v, z * u - x * w, x * v - y * u], -1)


def _per_landmark(matrix: Tensor, basis: Tensor) -> Tensor:
    """[B, L, 2, 3] times [L, 3, K] -> [B, L, 2, K], one matrix product a landmark."""
    batch, landmarks = matrix.shape[:2]
    stacked = matrix.permute(1, 0, 2, 3).reshape(landmarks, batch * 2, 3)
    return torch.bmm(stacked, basis).reshape(landmarks, batch, 2, -1).permute(1, 0, 2, 3)


def left_jacobian(rotation: Tensor) -> Tensor:
    """Left Jacobian [..., 3, 3] of SO(3): exp(rotation + d) ~ exp(J d) exp(rotation) (Sola et al. 2018, eq. 145)."""
    square = (rotation * rotation).sum(-1)
    small = square < 1e-6
    safe = torch.where(small, torch.ones_like(square), square)
    angle = safe.sqrt()
    first = torch.where(small, 0.5 - square / 24, (1 - torch.cos(angle)) / safe)
    second = torch.where(small, 1 / 6 - square / 120, (angle - torch.sin(angle)) / (safe * angle))
    k = skew(rotation)
    return torch.eye(3, dtype=rotation.dtype) + first[..., None, None] * k + second[..., None, None] * (k @ k)
