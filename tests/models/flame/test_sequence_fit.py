"""A clip solved in overlapping windows comes out as if it had been solved in one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from animated_head import FOCAL, SIZE, animate, observe
from hypothesis import given
from hypothesis import strategies as st

from models.flame import sequence_fit
from models.flame.landmark_fit import FramePrior, Observations
from models.flame.landmark_model import LandmarkModel
from models.flame.sequence_fit import Smoothness, fit_sequence, windows
from models.flame.tracker import smoothness
from tasks.artifacts.head import read_head


@given(st.integers(1, 9000), st.integers(1, 3000), st.integers(0, 200))
def test_the_cores_of_windows_share_the_frames_out(frames: int, size: int, margin: int) -> None:
    parts = windows(frames, size, margin)
    assert [i for core, _ in parts for i in range(core.start, core.stop)] == list(range(frames))
    for core, reach in parts:
        assert core.stop - core.start <= size
        assert reach.start == max(core.start - margin, 0)
        assert reach.stop == min(core.stop + margin, frames)


@pytest.mark.parametrize("held", [False, True])
def test_windows_change_nothing(open_head_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool) -> None:
    head = read_head(open_head_path)
    shape, x = animate(head, 60)
    mesh = observe(head, shape, x, noise=0.3)
    mesh[20:26] = np.nan
    model = LandmarkModel.of(head, head.embeddings["mesh"]).personal(shape.double())
    uv = torch.from_numpy(mesh[..., :2]).double()
    observed = Observations(uv, torch.ones(mesh.shape[1], dtype=torch.float64), 180.0, FOCAL, SIZE)
    prior = FramePrior.of(head.expression_range, torch.float64)
    ties = smoothness(head, 1.0)
    if held:
        second = ties.second.expand(58, -1).clone()
        second[30:50, :6] *= 0.05
        ties = Smoothness(ties.first, second)
        prior = prior.with_jaw(x.double())
    start = x.double() + 0.01 * torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    whole = fit_sequence(model, start, observed, prior, ties, iterations=2, tolerance=0)
    monkeypatch.setattr(sequence_fit.windows, "__defaults__", (20, 16))
    assert len(windows(60)) == 3
    parted = fit_sequence(model, start, observed, prior, ties, iterations=2, tolerance=0)
    assert float((whole - start).abs().max()) > 0.01
    torch.testing.assert_close(parted, whole, rtol=0, atol=2e-3)
    monkeypatch.setattr(sequence_fit.windows, "__defaults__", (20, 0))
    apart = fit_sequence(model, start, observed, prior, ties, iterations=2, tolerance=0)
    assert float((apart - whole).abs().max()) > 5 * float((parted - whole).abs().max())
