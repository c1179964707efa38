"""The torso's motion, against pictures that were moved by known maps."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from models.nerf.torso import SIDE, Alignment, align, build_template, fit_forecast, foretell, inverse, moved

FRAMES = 12


def maps(seed: int = 1) -> np.ndarray:
    """[FRAMES, 2, 3]: shifts of up to 6 texels, and a little turning and scaling; the mean is no motion."""
    rng = np.random.default_rng(seed)
    motion = np.concatenate([rng.uniform(-0.03, 0.03, (FRAMES, 2, 2)), rng.uniform(-0.09, 0.09, (FRAMES, 2, 1))], 2)
    return motion - motion.mean(0)


def torso_pictures(motion: np.ndarray, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Cloth in the lower half, moved by ``motion``, drawn with scipy; the backdrop stands."""
    rng = np.random.default_rng(seed)
    cloth = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 3)
    cloth = 0.5 + 0.12 * cloth / cloth.std()
    backdrop = 0.3 + 0.02 * gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2)
    shape = np.zeros((SIDE, SIDE))
    shape[60:115, 25:103] = 1
    v, u = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    place = np.stack([(u + 0.5) * 2 / SIDE - 1, (v + 0.5) * 2 / SIDE - 1, np.ones_like(u)], -1)
    pictures, masks = [], []
    for one in motion:
        back = np.linalg.inv(np.vstack([one + np.eye(3)[:2], [0, 0, 1]]))
        source = place @ back.T
        where = [(source[..., 1] + 1) * SIDE / 2 - 0.5, (source[..., 0] + 1) * SIDE / 2 - 0.5]
        mask = map_coordinates(shape, where, order=1)
        pictures.append(mask * map_coordinates(cloth, where, order=3, mode="nearest") + (1 - mask) * backdrop)
        masks.append(mask)
    return tuple(torch.from_numpy(np.stack(x).astype(np.float32))[:, None] for x in (pictures, masks))


def texels_off(found: torch.Tensor, true: np.ndarray) -> np.ndarray:
    """Largest distance in texels over the torso's box, a frame."""
    corners = torch.tensor([[-0.6, -0.05], [0.6, -0.05], [-0.6, 0.8], [0.6, 0.8]]).expand(len(found), -1, -1)
    apart = moved(found, corners) - moved(torch.from_numpy(true).float(), corners)
    return (apart.norm(dim=-1).max(dim=1).values * SIDE / 2).numpy()


def relative_to_first(motion: torch.Tensor | np.ndarray) -> np.ndarray:
    """T_i T_0^-1: the canonical place is the aligner's to choose."""
    whole = np.concatenate([np.asarray(motion, float), np.zeros((len(motion), 1, 3))], 1) + np.eye(3)
    return (whole @ np.linalg.inv(whole[0]) - np.eye(3))[:, :2]


@pytest.fixture(scope="module")
def found() -> tuple[np.ndarray, Alignment]:
    motion = maps()
    pictures, masks = torso_pictures(motion)
    return motion, align(build_template(pictures, masks), pictures, masks)


def test_known_motion_is_found_to_a_fraction_of_a_texel(found: tuple[np.ndarray, Alignment]):
    motion, aligned = found
    off = texels_off(torch.from_numpy(relative_to_first(aligned.motion)).float(), relative_to_first(motion))
    assert np.median(off) < 0.15
    assert off.max() < 0.4
    assert float(aligned.residual.max()) < 0.02


def test_the_mean_motion_of_the_template_is_none(found: tuple[np.ndarray, Alignment]):
    assert float(found[1].motion.mean(0).abs().max()) < 0.003


def test_light_that_changes_and_a_hand_before_the_torso_do_not_move_it(found: tuple[np.ndarray, Alignment]):
    motion, _ = found
    pictures, masks = torso_pictures(motion)
    template = build_template(pictures, masks)
    undisturbed = align(template, pictures, masks).motion
    brighter = pictures * 1.15 + 0.03
    brighter[:, :, 70:90, 40:60] = 0.95  # still labelled torso
    masks[:, :, 95:105, 70:95] = 0  # labelled something else
    brighter[:, :, 95:105, 70:95] = 0.1
    off = texels_off(align(template, brighter, masks).motion, undisturbed.numpy())
    assert np.median(off) < 0.25


def test_a_frame_without_torso_has_no_motion(found: tuple[np.ndarray, Alignment]):
    pictures, masks = torso_pictures(found[0])
    template = build_template(pictures, masks)
    masks[3] = 0
    aligned = align(template, pictures, masks)
    assert torch.isnan(aligned.motion[3]).all()
    assert torch.isfinite(aligned.motion[[0, 1, 2, 4]]).all()
    assert float(aligned.visible[3]) == 0


def test_a_clip_without_torso_has_none_anywhere():
    nothing = torch.zeros(4, 1, SIDE, SIDE)
    template = build_template(nothing + 0.5, nothing)
    assert template.empty
    assert torch.isnan(align(template, nothing + 0.5, nothing).motion).all()


def test_inverse_takes_a_place_back():
    motion = torch.from_numpy(maps(3)).float()
    places = torch.rand(FRAMES, 20, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(moved(inverse(motion), moved(motion, places)), places, atol=1e-5, rtol=0)


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
