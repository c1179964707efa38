"""The closed-form parts against numpy in float64: ridge, kernel ridge, principal components, motion basis."""

import numpy as np
import torch

from models.adf.config import SpeechGroup
from models.adf.motion import MotionBasis, plain_metric, pose_metric
from models.adf.skip import KernelSkip, ridge_regression
from models.adf.speech import SpeechFront, context_windows


def test_ridge_solves_its_normal_equations_in_both_spaces() -> None:
    rng = np.random.default_rng(0)
    for rows, columns in ((40, 6), (12, 30)):
        x, y = rng.normal(size=(rows, columns)) + 2, rng.normal(size=(rows, 3))
        weights, bias = ridge_regression(torch.tensor(x), torch.tensor(y), 0.1)
        xc, yc = x - x.mean(0), y - y.mean(0)
        penalty = 0.1 * rows * (xc**2).mean()
        expected = np.linalg.solve(xc.T @ xc + penalty * np.eye(columns), xc.T @ yc)
        assert np.allclose(weights.numpy(), expected, atol=1e-5)
        assert np.allclose(bias.numpy(), y.mean(0) - x.mean(0) @ expected, atol=1e-4)


def test_kernel_skip_equals_kernel_ridge_regression() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 2))
    skip = KernelSkip(4, 2, 0, 50, bandwidth=0.7, ridge=0.3)
    skip.fit(torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32))
    centred = x - x.mean(0)
    scaled = centred / np.sqrt((centred**2).sum(1).mean())
    kernel = np.exp(-0.7 * ((scaled[:, None] - scaled[None]) ** 2).sum(-1))
    expected = y.mean(0) + kernel @ np.linalg.solve(kernel + 0.3 * np.eye(50), y - y.mean(0))
    assert np.allclose(skip(torch.tensor(x, dtype=torch.float32)).numpy(), expected, atol=1e-4)


def test_fewer_supports_come_close_to_all() -> None:
    torch.manual_seed(0)
    x = torch.randn(300, 2)
    y = torch.sin(2 * x)
    errors = []
    for supports in (10, 100, 300):
        skip = KernelSkip(2, 2, 0, supports, bandwidth=1.0, ridge=0.01)
        skip.fit(x, y)
        errors.append(float((skip(x) - y).square().mean()))
    assert errors[0] > 10 * errors[1]
    assert errors[1] < 0.001


def test_long_speech_in_blocks_is_the_same() -> None:
    torch.manual_seed(1)
    heard = torch.randn(130, 3)
    skip = KernelSkip(3, 2, 4, 60)
    skip.fit(skip.windows(heard), torch.randn(130, 2))
    whole = skip(skip.windows(heard))
    for block in (7, 64, 130, 500):
        assert torch.allclose(skip.over(heard, block), whole, atol=1e-5)


def test_context_holds_the_ends() -> None:
    x = torch.arange(5.0)[:, None]
    assert context_windows(x, 2)[0].tolist() == [0, 0, 0, 1, 2]
    assert context_windows(x, 2)[4].tolist() == [2, 3, 4, 4, 4]
    assert context_windows(x, 1, 2)[1].tolist() == [2, 3, 4]


def test_speech_front_whitens_every_group_for_itself() -> None:
    rng = np.random.default_rng(2)
    features = torch.tensor(rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 3, dtype=torch.float32)
    other = torch.tensor(rng.normal(size=(400, 2)) * [9.0, 0.1], dtype=torch.float32)
    both = SpeechFront((SpeechGroup("encoder", 6, 4), SpeechGroup("melody", 2, 2, weight=0.5)))
    both.fit(torch.cat([features, other], 1), torch.tensor(rng.normal(-30, 5, size=400), dtype=torch.float32))
    heard = both(torch.cat([features, other], 1), torch.full((400,), -30.0))
    assert heard.shape == (400, both.channels) == (400, 7)
    assert np.allclose(np.cov(heard[:, :4].numpy().T, bias=True), np.eye(4), atol=1e-3)
    assert np.allclose(np.cov(heard[:, 4:6].numpy().T, bias=True), 0.25 * np.eye(2), atol=1e-3)
    front = SpeechFront((SpeechGroup("encoder", 6, 4),))
    front.fit(features, torch.tensor(rng.normal(-30, 5, size=400), dtype=torch.float32))
    alone = front(features, torch.full((400,), -30.0))
    assert torch.allclose(alone[:, :4], heard[:, :4], atol=1e-5)
    assert torch.isfinite(front(features[:3], torch.tensor([-100.0, -np.inf, 0.0]))).all()


def test_motion_basis_keeps_length_under_its_metric() -> None:
    rng = np.random.default_rng(3)
    data = torch.tensor(rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5)), dtype=torch.float32)
    root = rng.normal(size=(5, 5))
    metric = torch.tensor(root @ root.T, dtype=torch.float32)
    basis = MotionBasis(5, 5)
    assert basis.fit(data, metric) > 0.999
    z = basis(data)
    assert np.isclose(float(z.square().mean()), 1.0, rtol=1e-4)
    assert torch.allclose(basis.inverse(z), data, atol=1e-3)
    change = data[10:20] - data[50:60]
    length = torch.einsum("na,ab,nb->n", change, metric, change)
    ratio = (z[10:20] - z[50:60]).square().sum(1) / length
    assert float(ratio.max() / ratio.min()) < 1.02  # the ridge of a thousandth is felt a little


def test_a_direction_that_never_moves_stays_at_its_mean() -> None:
    data = torch.randn(100, 9) * 0.05
    data[:, 3:6] = 0.2
    basis = MotionBasis(9, 9)
    basis.fit(data, pose_metric())
    assert torch.allclose(basis.inverse(torch.randn(20, 9))[:, 3:6], torch.tensor(0.2), atol=1e-4)


def test_plain_metric_ignores_units() -> None:
    data = torch.randn(100, 4 + 9)
    scaled = data.clone()
    scaled[:, 4:7] *= 1000
    a, b = plain_metric(data).diagonal(), plain_metric(scaled).diagonal()
    assert torch.allclose(a[4:7], b[4:7] * 1e6, rtol=1e-3)
