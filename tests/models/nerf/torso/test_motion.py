"""What a motion of the torso is: its two ways, its forecast."""

import numpy as np
import torch

from models.nerf.torso.motion import (
    COEFFICIENTS,
    NODES,
    canonical,
    fit_forecast,
    foretell,
    in_frame,
    inverse,
    moved,
    still,
    warped,
)

FRAMES = 12


def affine_parts() -> torch.Tensor:
    return (torch.rand(FRAMES, 2, 3, generator=torch.Generator().manual_seed(3)) - 0.5) * 0.1


def some_places() -> torch.Tensor:
    return torch.rand(FRAMES, 20, 2, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


def test_inverse_takes_a_place_back():
    motion, places = affine_parts(), some_places()
    torch.testing.assert_close(moved(inverse(motion), moved(motion, places)), places, atol=1e-5, rtol=0)


def test_displacements_are_bilinear_between_nodes():
    plane = torch.rand(1, 2, NODES**2, generator=torch.Generator().manual_seed(1)) * 0.05
    centres = ((np.arange(NODES) + 0.5) * 2 / NODES - 1).astype(np.float32)
    node = torch.tensor([[[centres[4], centres[7]], [(centres[4] + centres[5]) / 2, centres[7]]]])
    first, second = plane[0, :, 7 * NODES + 4], plane[0, :, 7 * NODES + 5]
    expected = torch.stack([first, (first + second) / 2])[None]
    torch.testing.assert_close(warped(plane, node) - node, expected, atol=1e-6, rtol=0)


def test_in_frame_is_the_way_back_from_canonical():
    motion = still(FRAMES)
    motion[..., :3] = affine_parts()
    waves = torch.sin(torch.arange(NODES**2).view(NODES, NODES) // NODES * 0.7)
    motion[..., 3:] = 0.02 * waves.reshape(-1)
    places = some_places()
    torch.testing.assert_close(in_frame(motion, canonical(motion, places)), places, atol=2e-3, rtol=0)
    assert float((canonical(motion, places) - moved(inverse(motion[..., :3]), places)).abs().max()) > 0.01


def test_a_still_torso_is_at_its_canonical_place():
    assert still(2).shape == (2, 2, COEFFICIENTS)
    places = some_places()[:2]
    torch.testing.assert_close(canonical(still(2), places), places, atol=1e-6, rtol=0)


def test_forecast_is_ridge_regression_and_leaves_unmeasured_rows_out():
    rng = np.random.default_rng(0)
    pose = rng.normal(size=(400, 5))
    true = rng.normal(size=(6, 6)) * 0.02
    motion = (np.c_[pose, np.ones(400)] @ true.T).reshape(400, 2, 3)
    motion[::7] = np.nan
    forecast = fit_forecast(torch.from_numpy(pose).float(), torch.from_numpy(motion).float())
    # The penalty shrinks the slopes by about 1 %, never the constant.
    np.testing.assert_allclose(forecast.numpy(), true, atol=0.03 * np.abs(true).max())
    again = foretell(forecast, torch.from_numpy(pose).float()).numpy()
    kept = np.isfinite(motion[:, 0, 0])
    np.testing.assert_allclose(again[kept], motion[kept], atol=0.01)


def test_forecast_of_nothing_measured_stands_still():
    forecast = fit_forecast(torch.zeros(3, 4), torch.full((3, 2, 3), torch.nan))
    assert not forecast.any()
