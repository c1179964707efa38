"""FLAME: a linear model of human heads with skinned neck, jaw and eyes.

Li, Bolkart, Black, Li, Romero, "Learning a model of facial shape and expression from 4D scans", SIGGRAPH Asia 2017.
Axes: metres, x to the person's left, y up, z out of the face.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from models.flame.landmarks import LandmarkEmbedding
from models.flame.rotation import axis_angle_to_matrix

JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
PARENTS = (-1, 0, 1, 1, 1)


class FlameHead(nn.Module):
    """Vertices of a head from identity, expression, pose and translation.

    template [V, 3]: neutral mean head, metres.
    shape_basis [S, V, 3], expression_basis [E, V, 3]: displacement in metres for a unit coefficient.
    pose_basis [36, V, 3]: pose correctives, multiplied by the entries of R - I (row by row) of neck, jaw, left eye
        and right eye.
    joint_regressor [5, V]: joints from the shaped, unposed mesh.
    skinning_weights [V, 5]: rows sum to one; joints in the order of JOINTS.
    faces int64 [F, 3]: counter-clockwise seen from outside.
    expression_names: one name per expression coefficient.  expression_range [E, 2]: the coefficients' sensible
        range: 0..1 for named actions; -inf..inf for principal components, which are standard normal.
    regions: name -> int64 vertex indices (lips, eyes, face, neck, scalp).
    embeddings: name -> LandmarkEmbedding ("mesh": mediapipe's points, "ibug68").

    All floating buffers share one dtype; ``head.double()`` gives the float64 model.
    """

    template: Tensor
    shape_basis: Tensor
    expression_basis: Tensor
    pose_basis: Tensor
    joint_regressor: Tensor
    skinning_weights: Tensor
    expression_range: Tensor
    faces: Tensor

    def __init__(
        self,
        template: Tensor,
        shape_basis: Tensor,
        expression_basis: Tensor,
        pose_basis: Tensor,
        joint_regressor: Tensor,
        skinning_weights: Tensor,
        faces: Tensor,
        expression_names: Sequence[str],
        expression_range: Tensor,
        regions: Mapping[str, Tensor],
        embeddings: Mapping[str, LandmarkEmbedding],
    ) -> None:
        super().__init__()
        vertices = len(template)
        expected = {
            "template": (template, (vertices, 3)),
            "shape_basis": (shape_basis, (len(shape_basis), vertices, 3)),
            "expression_basis": (expression_basis, (len(expression_names), vertices, 3)),
            "pose_basis": (pose_basis, (36, vertices, 3)),
            "joint_regressor": (joint_regressor, (len(JOINTS), vertices)),
            "skinning_weights": (skinning_weights, (vertices, len(JOINTS))),
            "faces": (faces, (len(faces), 3)),
            "expression_range": (expression_range, (len(expression_names), 2)),
        }
        for name, (value, shape) in expected.items():
            if tuple(value.shape) != shape:
                raise ValueError(f"{name} has shape {tuple(value.shape)}, expected {shape}")
            self.register_buffer(name, value)
        self.expression_names = tuple(expression_names)
        self.regions = {name: index.to(torch.int64) for name, index in regions.items()}
        self.embeddings = dict(embeddings)

    @property
    def shape_size(self) -> int:
        """Number S of identity coefficients."""
        return self.shape_basis.shape[0]

    @property
    def expression_size(self) -> int:
        """Number E of expression coefficients."""
        return self.expression_basis.shape[0]

    def shaped(self, shape: Tensor, expression: Tensor | None = None) -> Tensor:
        """Unposed vertices [B, V, 3] of identities [B, S] and expressions [B, E]."""
        vertices = self.template + torch.einsum("bs,svc->bvc", shape, self.shape_basis)
        if expression is not None:
            vertices = vertices + torch.einsum("be,evc->bvc", expression, self.expression_basis)
        return vertices

    def joints(self, shaped: Tensor) -> Tensor:
        """Joint positions [B, 5, 3] of shaped vertices [B, V, 3]."""
        return torch.einsum("jv,bvc->bjc", self.joint_regressor, shaped)

    def forward(
        self,
        shape: Tensor,
        expression: Tensor,
        global_rotation: Tensor,
        neck_rotation: Tensor,
        jaw_rotation: Tensor,
        eyes_rotation: Tensor,
        translation: Tensor,
    ) -> Tensor:
        """Camera-frame vertices [B, V, 3] in metres.

        shape [B, S] (or [1, S] for all), expression [B, E], rotations axis-angle in radians: global, neck and jaw
        [B, 3], eyes [B, 6] (left, then right); translation [B, 3].
        """
        batch = len(expression)
        shaped = self.shaped(shape.expand(batch, -1), expression)
        joints = self.joints(shaped)
        stacked = torch.cat([global_rotation, neck_rotation, jaw_rotation, eyes_rotation], 1).reshape(batch, 5, 3)
        rotations = axis_angle_to_matrix(stacked)
        identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        feature = (rotations[:, 1:] - identity).reshape(batch, 36)
        posed = shaped + torch.einsum("bp,pvc->bvc", feature, self.pose_basis)
        world_rotation, world_offset = _chain(rotations, joints)
        blended = torch.einsum("vj,bjrc->bvrc", self.skinning_weights, world_rotation)
        offset = torch.einsum("vj,bjr->bvr", self.skinning_weights, world_offset)
        return (blended @ posed[..., None]).squeeze(-1) + offset + translation[:, None]

    def head_pose(
        self, shape: Tensor, global_rotation: Tensor, neck_rotation: Tensor, translation: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rigid motion of the skull: x_camera = R x_model + t for unposed points that the neck joint carries alone.

        Returns R [B, 3, 3] and t [B, 3].  Joints are taken from the neutral face (as the head frame must not move
        with an expression); in ``forward`` they follow the expressed face, which matters only where an expression
        moves the joint regressor's vertices (in the open head none does).
        """
        batch = len(global_rotation)
        joints = self.joints(self.shaped(shape)).expand(batch, -1, -1)
        rotations = axis_angle_to_matrix(torch.stack([global_rotation, neck_rotation], 1))
        world_rotation, world_offset = _chain(rotations, joints[:, :2])
        return world_rotation[:, 1], world_offset[:, 1] + translation


def _chain(rotations: Tensor, joints: Tensor) -> tuple[Tensor, Tensor]:
    """World transforms x -> A x + b of every joint from local rotations [B, J, 3, 3] and rest joints [B, J, 3]."""
    world_rotation: list[Tensor] = []
    world_offset: list[Tensor] = []
    for j in range(rotations.shape[1]):
        local = rotations[:, j]
        # A rotation about the joint's rest position ...
        offset = joints[:, j] - (local @ joints[:, j, :, None]).squeeze(-1)
        parent = PARENTS[j]
        if parent >= 0:
            # ... carried along by everything above it.
            offset = (world_rotation[parent] @ offset[..., None]).squeeze(-1) + world_offset[parent]
            local = world_rotation[parent] @ local
        world_rotation.append(local)
        world_offset.append(offset)
    return torch.stack(world_rotation, 1), torch.stack(world_offset, 1)
