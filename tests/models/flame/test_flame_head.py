"""FlameHead against the formula of the paper written out with loops, in numpy and float64."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from small_head import random_inputs, small_head

from models.flame.head import FlameHead
from tasks.artifacts.head import read_head


def reference(head: FlameHead, values: dict[str, torch.Tensor]) -> np.ndarray:
    """Eq. 2-5 of Li et al. 2017 with homogeneous 4 x 4 transforms, a vertex at a time."""
    a = {name: value.double().numpy() for name, value in head.named_buffers()}
    v = {name: value.double().numpy() for name, value in values.items()}
    result = []
    for b in range(len(v["expression"])):
        shaped = a["template"].copy()
        for k in range(head.shape_size):
            shaped += v["shape"][b, k] * a["shape_basis"][k]
        for k in range(head.expression_size):
            shaped += v["expression"][b, k] * a["expression_basis"][k]
        joints = a["joint_regressor"] @ shaped
        eyes = v["eyes_rotation"][b]
        vectors = [v["global_rotation"][b], v["neck_rotation"][b], v["jaw_rotation"][b], eyes[:3], eyes[3:]]
        rotations = [Rotation.from_rotvec(vector).as_matrix() for vector in vectors]
        feature = np.concatenate([(rotation - np.eye(3)).reshape(-1) for rotation in rotations[1:]])
        posed = shaped + np.tensordot(feature, a["pose_basis"], 1)
        world = []
        for j, parent in enumerate((-1, 0, 1, 1, 1)):
            local = np.eye(4)
            local[:3, :3] = rotations[j]
            local[:3, 3] = joints[j] - (joints[parent] if parent >= 0 else 0)
            world.append(local if parent < 0 else world[parent] @ local)
        vertices = np.zeros_like(posed)
        for i, point in enumerate(posed):
            for j in range(5):
                # Relative to the rest pose: the joint's own rest position goes to its posed one.
                moved = world[j] @ np.append(point - joints[j], 1.0)
                vertices[i] += a["skinning_weights"][i, j] * moved[:3]
        result.append(vertices + v["translation"][b])
    return np.stack(result)


def test_a_made_up_head_follows_the_formula() -> None:
    head = small_head()
    values = random_inputs(head, 3)
    np.testing.assert_allclose(head(**values).numpy(), reference(head, values), atol=1e-12)


def test_the_open_head_follows_the_formula_to_a_micrometre(open_head_path: Path) -> None:
    head = read_head(open_head_path)
    values = {name: (0.5 * value).float() for name, value in random_inputs(head, 2).items()}
    expected = reference(head.double(), values)
    np.testing.assert_allclose(head(**{n: v.double() for n, v in values.items()}).numpy(), expected, atol=1e-9)
    single = read_head(open_head_path)(**values)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), expected, atol=1e-6)


def test_one_identity_serves_a_batch() -> None:
    head = small_head()
    values = random_inputs(head, 3)
    one = values | {"shape": values["shape"][:1]}
    three = values | {"shape": values["shape"][:1].expand(3, -1)}
    torch.testing.assert_close(head(**one), head(**three), atol=0, rtol=0)


def test_head_pose_carries_skull_points(open_head_path: Path) -> None:
    head = read_head(open_head_path).double()
    values = random_inputs(head, 4)
    values["expression"] *= 0
    rotation, offset = head.head_pose(
        values["shape"], values["global_rotation"], values["neck_rotation"], values["translation"]
    )
    skull = torch.nonzero(head.skinning_weights[:, 1] > 1 - 1e-9)[:, 0]
    skull = skull[head.pose_basis[:, skull].abs().amax((0, 2)) < 1e-9]
    assert len(skull) > 500
    rest = head.shaped(values["shape"])[:, skull]
    moved = torch.einsum("brc,bvc->bvr", rotation, rest) + offset[:, None]
    torch.testing.assert_close(head(**values)[:, skull], moved, atol=1e-9, rtol=0)


def test_expressions_do_not_move_the_joints_of_the_open_head(open_head_path: Path) -> None:
    head = read_head(open_head_path).double()
    neutral = torch.zeros(1, head.shape_size, dtype=torch.float64)
    strong = torch.ones(1, head.expression_size, dtype=torch.float64)
    moved = head.joints(head.shaped(neutral, strong)) - head.joints(head.shaped(neutral))
    assert moved.abs().max() < 1e-5


def test_gradients_reach_every_input() -> None:
    head = small_head(vertices=12)
    values = {name: (0.3 * value).requires_grad_() for name, value in random_inputs(head, 1).items()}
    assert torch.autograd.gradcheck(lambda *v: head(*v), tuple(values.values()), atol=1e-6)


def test_a_wrong_shape_is_named() -> None:
    head = small_head()
    arrays = dict(head.named_buffers()) | {"pose_basis": head.pose_basis[:35]}
    with pytest.raises(ValueError, match=r"pose_basis has shape \(35, 40, 3\)"):
        FlameHead(**arrays, expression_names=head.expression_names, regions={}, embeddings={})
