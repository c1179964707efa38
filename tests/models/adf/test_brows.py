"""Brows are given their own range back, and nothing else moves with them."""

import pytest
import torch
from toy_head import NAMES, toy_head

from models.adf.brows import MOST, brow_gain, brow_part, brow_range, enlarged
from models.adf.geometry import BROWS, brow_metrics, expression_metric, mesh_points
from models.adf.motion import MotionBasis

SHAPE = torch.zeros(3)
CHANNELS = len(NAMES) + 9


def motion(frames: int = 400) -> torch.Tensor:
    """Frames of every action, jaw and gaze, about a mean that is not zero."""
    return 0.3 + 0.1 * torch.randn(frames, CHANNELS, generator=torch.Generator().manual_seed(3))


def fitted() -> tuple[MotionBasis, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    seen = motion()
    basis = MotionBasis(CHANNELS, CHANNELS)
    basis.fit(seen, expression_metric(toy_head(), SHAPE, seen.mean(0)))
    return basis, seen, brow_metrics(toy_head(), SHAPE, seen.mean(0))


def test_forms_are_mean_squared_displacements() -> None:
    brows, others = brow_metrics(toy_head(), SHAPE, torch.zeros(CHANNELS))
    up, smile, blink = (NAMES.index(name) for name in ("browUp", "mouthSmile", "eyeBlinkLeft"))
    # All brow points of the toy sit on vertex 7, which browUp moves by 10 mm a unit.
    assert float(brows[up, up]) == pytest.approx(100.0, rel=1e-3)
    assert float(brows[smile, smile]) == pytest.approx(0.0, abs=1e-3)
    # Six lip vertices of weight 4 are all that is left: the toy's brows and lids lie above its eyes.
    assert float(others[up, up]) == pytest.approx(0.0, abs=1e-3)
    assert float(others[blink, blink]) == pytest.approx(0.0, abs=1e-3)
    assert float(others[smile, smile]) == pytest.approx(4 / 6 * 100.0, rel=1e-3)


def test_brow_range_is_that_of_the_points() -> None:
    basis, seen, (brows, _) = fitted()
    points = mesh_points(toy_head(), SHAPE, seen, list(BROWS))
    pieces = [piece - piece.mean(0) for piece in points.tensor_split(4)]
    expected = sorted(float(piece.square().sum(-1).mean().sqrt()) for piece in pieces)[1]
    assert brow_range(basis, brows, basis(seen)) == pytest.approx(expected, rel=0.02)


def test_brows_are_enlarged_and_the_mouth_is_not() -> None:
    basis, seen, (brows, others) = fitted()
    z = basis(seen)
    larger = z @ enlarged(basis, brows, others, 1.7)
    assert brow_range(basis, brows, larger) == pytest.approx(1.7 * brow_range(basis, brows, z), rel=0.02)
    change = (basis.inverse(larger) - seen).abs()
    up = NAMES.index("browUp")
    others_moved = [k for k in range(CHANNELS) if k != up]
    assert float(change[:, up].max()) > 0.1
    assert float(change[:, others_moved].max()) < 0.01 * float(change[:, up].max())
    assert torch.equal(enlarged(basis, brows, others, 1.0), torch.eye(CHANNELS))


def test_the_gain_is_what_is_missing_as_far_as_the_frames_tell() -> None:
    basis, seen, (brows, others) = fitted()
    real, half = basis(seen), basis(seen) @ enlarged(basis, brows, others, 0.5)
    assert brow_gain(basis, brows, half, real) == pytest.approx(2.0 ** (400 / 420), rel=0.04)
    assert 1.0 < brow_gain(basis, brows, half[:20], real) < 1.6
    assert brow_gain(basis, brows, real, half) == 1.0
    assert brow_gain(basis, brows, torch.zeros_like(real), real) <= MOST


def test_brows_raised_once_do_not_count() -> None:
    basis, seen, (brows, _) = fitted()
    calm = seen.clone()
    seen[:100, NAMES.index("browUp")] *= 5.0
    assert brow_range(basis, brows, basis(seen)) == pytest.approx(brow_range(basis, brows, basis(calm)), rel=0.2)


def test_a_direction_that_moves_brows_and_lips_is_shared_out() -> None:
    """One direction only, of brows and mouth together: it cannot be taken for the brows' alone."""
    together = torch.zeros(CHANNELS)
    together[[NAMES.index("browUp"), NAMES.index("mouthSmile")]] = 1.0
    seen = 0.1 * torch.randn(300, 1, generator=torch.Generator().manual_seed(4)) * together
    basis = MotionBasis(CHANNELS, 1)
    basis.fit(seen, expression_metric(toy_head(), SHAPE, seen.mean(0)))
    forms = brow_metrics(toy_head(), SHAPE, seen.mean(0))
    assert 0.0 < float(brow_part(basis, *forms)) < 0.9
