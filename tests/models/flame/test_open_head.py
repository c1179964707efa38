"""What the open head must be as a head, whatever its numbers."""

from pathlib import Path

import pytest
import torch

from models.flame.head import FlameHead
from models.flame.landmark_model import LandmarkModel
from models.landmarks import parts
from tasks.artifacts.head import head_identity, head_info, read_head


@pytest.fixture(scope="module")
def head(open_head_path: Path) -> FlameHead:
    return read_head(open_head_path).double()


def posed(head: FlameHead, **changes: torch.Tensor) -> torch.Tensor:
    sizes = {"shape": head.shape_size, "expression": head.expression_size, "eyes_rotation": 6}
    names = ("shape", "expression", "global_rotation", "neck_rotation", "jaw_rotation", "eyes_rotation", "translation")
    values = {name: torch.zeros(1, sizes.get(name, 3), dtype=torch.float64) for name in names} | changes
    return head(**values)[0]


def turn(x: float = 0.0, y: float = 0.0) -> torch.Tensor:
    return torch.tensor([[x, y, 0.0]], dtype=torch.float64)


def test_it_has_a_heads_size_and_axes(head: FlameHead) -> None:
    width, height, depth = (head.template.amax(0) - head.template.amin(0)).tolist()
    assert 0.15 < width < 0.20
    assert 0.20 < height < 0.32
    assert 0.18 < depth < 0.26
    left_eye, right_eye = head.joints(head.template[None])[0, 3:]
    assert left_eye[0] > 0.02
    assert right_eye[0] < -0.02
    nose = head.embeddings["mesh"].points(head.template, head.faces)[4]
    assert nose[2] > left_eye[2] + 0.02, "the nose points along z"


def test_weights_and_regressor_sum_to_one(head: FlameHead) -> None:
    torch.testing.assert_close(head.skinning_weights.sum(1), torch.ones(len(head.template)).double(), atol=1e-6, rtol=0)
    assert head.skinning_weights.min() >= -1e-7
    torch.testing.assert_close(head.joint_regressor.sum(1), torch.ones(5).double(), atol=1e-5, rtol=0)


def test_the_jaw_opens_the_mouth_and_an_eye_turn_moves_the_iris(head: FlameHead) -> None:
    mesh = head.embeddings["mesh"]
    rest = mesh.points(posed(head), head.faces)
    open_mouth = mesh.points(posed(head, jaw_rotation=turn(x=0.3)), head.faces)
    gap = (open_mouth[13] - open_mouth[14])[1] - (rest[13] - rest[14])[1]
    assert gap > 0.015
    assert (open_mouth[4] - rest[4]).norm() < 1e-3, "the nose stays"
    looking = torch.cat([turn(y=0.3), turn(y=0.3)], 1)
    moved = mesh.points(posed(head, eyes_rotation=looking), head.faces) - rest
    assert (moved[[468, 473], 0] > 0.003).all(), "a turn about y looks to the person's left"


def test_blinking_closes_the_lids(head: FlameHead) -> None:
    mesh = head.embeddings["mesh"]
    expression = torch.zeros(1, head.expression_size, dtype=torch.float64)
    expression[0, head.expression_names.index("eyeBlinkLeft")] = 1.0
    before, after = (mesh.points(posed(head, **c), head.faces) for c in ({}, {"expression": expression}))
    opening = lambda points, top, bottom: float((points[top] - points[bottom])[1])  # noqa: E731
    assert opening(after, 386, 374) < 0.25 * opening(before, 386, 374)
    assert opening(after, 159, 145) == pytest.approx(opening(before, 159, 145), abs=1e-4)


def test_landmarks_lie_where_a_face_has_them(head: FlameHead) -> None:
    points = head.embeddings["mesh"].points(head.template, head.faces)
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    for right, left in ((33, 263), (133, 362), (61, 291), (234, 454), (70, 300), (159, 386), (58, 288)):
        assert (points[right] - mirrored[left]).norm() < 4e-3
        assert points[right, 0] < 0
    assert points[10, 1] > points[168, 1] > points[4, 1] > points[13, 1] > points[14, 1] > points[152, 1]
    lips = torch.cdist(points[parts.LIP_POINTS], head.template[head.regions["lips"]]).amin(1)
    assert lips.median() < 2e-3
    assert len(head.embeddings["ibug68"]) == 68


def test_regions_are_disjoint_and_cover_the_skin(head: FlameHead) -> None:
    regions = {name: set(index.tolist()) for name, index in head.regions.items()}
    assert regions["lips"] <= regions["face"]
    main = ("eyes", "face", "neck", "scalp")
    for i, first in enumerate(main):
        for second in main[i + 1 :]:
            assert not regions[first] & regions[second]
    covered = set().union(*regions.values())
    assert covered == set(range(len(head.template)))


def test_what_is_recorded_about_it(open_head_path: Path) -> None:
    info = head_info(open_head_path)
    assert info["shape_variance_kept"] > 0.99
    assert info["embedding_error_mm"]["median"] < 4
    identity = head_identity(open_head_path)
    assert identity["name"] == "open head"
    assert len(identity["sha256"]) == 64


def test_the_landmark_model_is_the_head_seen_at_its_landmarks(head: FlameHead) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = torch.randn(1, head.shape_size, generator=generator, dtype=torch.float64)
    rotations = 0.2 * torch.randn(1, 12, generator=generator, dtype=torch.float64)
    expression = 0.4 * torch.rand(1, head.expression_size, generator=generator, dtype=torch.float64)
    vertices = posed(
        head,
        shape=shape,
        expression=expression,
        global_rotation=rotations[:, :3],
        jaw_rotation=rotations[:, 3:6],
        eyes_rotation=rotations[:, 6:],
    )
    mesh = head.embeddings["mesh"]
    x = torch.cat([rotations[:, :3], torch.zeros(1, 3).double(), rotations[:, 3:], expression], 1)
    points = LandmarkModel.of(head, mesh).personal(shape[0]).points(x)[0]
    distance = (points - mesh.points(vertices, head.faces)).norm(dim=1)
    assert distance.median() < 1e-5
    assert distance.max() < 5e-4, "half a millimetre, where weights change fast"
