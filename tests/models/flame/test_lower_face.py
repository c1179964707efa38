"""A mouth under other brows: by named actions and by mixed components."""

import torch
from toy_head import NAMES, toy_head

from models.flame.head import FlameHead
from models.flame.lower_face import replace_lower_face


def test_named_actions_are_sorted_by_where_they_move_the_face() -> None:
    head = toy_head()
    upper, lower = torch.full((2, len(NAMES)), 0.8), torch.full((2, len(NAMES)), 0.1)
    mixed = replace_lower_face(head, upper, lower)
    assert mixed.shape == (2, len(NAMES))
    expected = {"mouthSmile": 0.1, "browUp": 0.8, "eyeBlinkLeft": 0.8, "eyeBlinkRight": 0.8, "mouthPucker": 0.1}
    for name, value in expected.items():
        torch.testing.assert_close(mixed[:, NAMES.index(name)], torch.full((2,), value), atol=5e-3, rtol=0)


def test_components_that_move_the_whole_face_give_the_vertices_of_both() -> None:
    """A basis turned by a random rotation spans the same faces: the mixed face must not change."""
    head = toy_head()
    mixing = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0)))[0]
    parts = {name: getattr(head, name) for name in ("template", "shape_basis", "pose_basis", "joint_regressor")}
    turned = FlameHead(
        **parts,
        expression_basis=torch.einsum("ij,jvc->ivc", mixing, head.expression_basis),
        skinning_weights=head.skinning_weights,
        faces=head.faces,
        expression_names=[f"component {i}" for i in range(6)],
        expression_range=torch.tensor([[-torch.inf, torch.inf]]).repeat(6, 1),
        regions=head.regions,
        embeddings=head.embeddings,
    )
    upper, lower = torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(1))
    named = replace_lower_face(head, upper, lower)
    mixed = replace_lower_face(turned, upper @ mixing.T, lower @ mixing.T)
    shape = torch.zeros(1, 3)
    torch.testing.assert_close(turned.shaped(shape, mixed), head.shaped(shape, named), atol=2e-4, rtol=0)


def test_the_range_of_named_actions_is_kept() -> None:
    head = toy_head()
    beyond = torch.full((1, len(NAMES)), 3.0)
    assert float(replace_lower_face(head, beyond, -beyond).min()) >= 0
    assert float(replace_lower_face(head, beyond, -beyond).max()) <= 1
