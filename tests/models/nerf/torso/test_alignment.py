"""The torso's motion, against pictures that were moved by known maps."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from models.nerf.torso.alignment import Aligner, Alignment, build_template
from models.nerf.torso.motion import COEFFICIENTS, canonical, moved
from models.nerf.torso.template import COARSE, SIDE, Views
from models.nerf.torso.warp import at_nodes

FRAMES = 12
SCALE = SIDE // COARSE  # lengths below are texels of a picture of COARSE texels a side


def maps(seed: int = 1) -> np.ndarray:
    """[FRAMES, 2, 3]: shifts of up to 6 texels, and a little turning and scaling; the mean is no motion."""
    rng = np.random.default_rng(seed)
    motion = np.concatenate([rng.uniform(-0.03, 0.03, (FRAMES, 2, 2)), rng.uniform(-0.09, 0.09, (FRAMES, 2, 1))], 2)
    return motion - motion.mean(0)


def torso_pictures(motion: np.ndarray, seed: int = 0, collar: np.ndarray | None = None) -> Views:
    """Cloth in the lower half, moved by ``motion``, drawn with scipy; the backdrop stands.

    collar [FRAMES]: how far (in -1..1, downwards) a bump of the cloth round (0, 0.3) is pushed on top.
    """
    rng = np.random.default_rng(seed)
    cloth = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 3 * SCALE)
    cloth = 0.5 + 0.12 * cloth / cloth.std()
    backdrop = 0.3 + 0.02 * gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2 * SCALE)
    shape = np.zeros((SIDE, SIDE))
    shape[60 * SCALE : 115 * SCALE, 25 * SCALE : 103 * SCALE] = 1
    v, u = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    place = np.stack([(u + 0.5) * 2 / SIDE - 1, (v + 0.5) * 2 / SIDE - 1, np.ones_like(u)], -1)
    pictures, masks = [], []
    for row, one in enumerate(motion):
        back = np.linalg.inv(np.vstack([one + np.eye(3)[:2], [0, 0, 1]]))
        source = place @ back.T
        if collar is not None:
            bump = np.exp(-((source[..., 0] / 0.25) ** 2) - ((source[..., 1] - 0.3) / 0.25) ** 2)
            source[..., 1] -= collar[row] * bump
        where = [(source[..., 1] + 1) * SIDE / 2 - 0.5, (source[..., 0] + 1) * SIDE / 2 - 0.5]
        mask = map_coordinates(shape, where, order=1)
        pictures.append(mask * map_coordinates(cloth, where, order=3, mode="nearest") + (1 - mask) * backdrop)
        masks.append(mask)
    seen, torso = (torch.from_numpy(np.stack(x).astype(np.float32))[:, None] for x in (pictures, masks))
    return Views(seen, torso, torso.clone())


def texels_off(found: torch.Tensor, true: np.ndarray) -> np.ndarray:
    """Largest distance in texels over the torso's box, a frame."""
    corners = torch.tensor([[-0.6, -0.05], [0.6, -0.05], [-0.6, 0.8], [0.6, 0.8]]).expand(len(found), -1, -1)
    apart = moved(found[..., :3], corners) - moved(torch.from_numpy(true).float(), corners)
    return (apart.norm(dim=-1).max(dim=1).values * COARSE / 2).numpy()


def relative_to_first(motion: torch.Tensor | np.ndarray) -> np.ndarray:
    """T_i T_0^-1: the canonical place is the aligner's to choose."""
    whole = np.concatenate([np.asarray(motion, float), np.zeros((len(motion), 1, 3))], 1) + np.eye(3)
    return (whole @ np.linalg.inv(whole[0]) - np.eye(3))[:, :2]


@dataclass
class Found:
    """motion: what moved the pictures; aligned: what was found of it."""

    motion: np.ndarray
    views: Views
    aligner: Aligner
    aligned: Alignment


@pytest.fixture(scope="module")
def found() -> Found:
    motion = maps()
    views = torso_pictures(motion)
    aligner = Aligner(build_template(views))
    return Found(motion, views, aligner, aligner.align(views))


def test_known_motion_is_found_to_a_fraction_of_a_texel(found: Found):
    aligned = found.aligned
    affine = torch.from_numpy(relative_to_first(aligned.motion[..., :3])).float()
    off = texels_off(affine, relative_to_first(found.motion))
    assert np.median(off) < 0.15
    assert off.max() < 0.4
    assert float(aligned.residual.max()) < 0.02


def test_the_mean_motion_of_the_template_is_none(found: Found):
    mean = found.aligned.motion.mean(0)
    assert float(mean[:, :3].abs().max()) < 0.3 * 2 / COARSE  # of a place at the picture's rim
    assert float(mean[:, 3:].abs().max()) < 0.5 * 2 / COARSE


def test_light_that_changes_and_a_hand_before_the_torso_do_not_move_it(found: Found):
    torso, near = found.views.torso.clone(), found.views.near.clone()
    brighter = found.views.pictures * 1.15 + 0.03
    brighter[:, :, 70 * SCALE : 90 * SCALE, 40 * SCALE : 60 * SCALE] = 0.95  # still labelled torso
    hand = np.s_[:, :, 95 * SCALE : 105 * SCALE, 70 * SCALE : 95 * SCALE]
    torso[hand] = near[hand] = 0  # labelled something else
    brighter[hand] = 0.1
    disturbed = found.aligner.align(Views(brighter, torso, near)).motion
    off = texels_off(disturbed, found.aligned.motion[..., :3].numpy())
    assert np.median(off) < 0.25


def test_a_frame_without_torso_has_no_motion(found: Found):
    views = Views(found.views.pictures, found.views.torso.clone(), found.views.near.clone())
    views.torso[3] = views.near[3] = 0
    aligned = found.aligner.align(views)
    assert torch.isnan(aligned.motion[3]).all()
    assert torch.isfinite(aligned.motion[[0, 1, 2, 4]]).all()
    assert float(aligned.visible[3]) == 0


def test_a_frame_whose_fine_displacements_fold_keeps_the_coarse_ones(found: Found):
    aligner = Aligner(found.aligner.template)
    coarse, fine = aligner.solvers
    measured = {}

    class Folding:
        level = fine.level

        @staticmethod
        def measure(views: Views, affine: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
            measured["coarse"], measured["fine"] = start, fine.measure(views, affine, start)
            folded = measured["fine"].clone()
            folded[2, :, 100:104] += torch.tensor([0.3, -0.3, 0.3, -0.3])
            return folded

    aligner.solvers = [coarse, Folding()]
    motion = aligner.align(found.views).motion[..., 3:]
    torch.testing.assert_close(motion[2], at_nodes(measured["coarse"])[2])
    others = torch.arange(FRAMES) != 2
    torch.testing.assert_close(motion[others], measured["fine"][others], atol=1e-6, rtol=0)


def test_a_clip_without_torso_has_none_anywhere():
    nothing = torch.zeros(4, 1, SIDE, SIDE)
    views = Views(nothing + 0.5, nothing, nothing)
    template = build_template(views)
    assert template.empty
    assert torch.isnan(Aligner(template).align(views).motion).all()


def test_a_part_that_moves_against_the_rest_is_followed_by_the_displacements():
    push = np.linspace(-0.06, 0.06, FRAMES)  # up to 3.8 texels either way
    motion = maps()
    views = torso_pictures(motion, collar=push)
    found = Aligner(build_template(views)).align(views).motion
    assert found.shape == (FRAMES, 2, COEFFICIENTS)
    # Where the bump's middle is in each frame, and beside it cloth that only goes with the whole.
    middle, beside = (torch.tensor([[place]]).expand(FRAMES, 1, 2).double() for place in ((0.0, 0.3), (0.5, 0.7)))
    moved_middle = moved(torch.from_numpy(motion), middle + torch.tensor(np.c_[0 * push, push])[:, None]).float()
    moved_beside = moved(torch.from_numpy(motion), beside).float()
    for places, left_by_affine in ((moved_middle, 2.5), (moved_beside, 0.0)):
        without = found.clone()
        without[..., 3:] = 0
        off, off_without = (strays(canonical(motion, places)) for motion in (found, without))
        assert off < 1.0
        assert off_without > left_by_affine


def strays(places: torch.Tensor) -> float:
    """Furthest distance in texels of canonical places [FRAMES, 1, 2] from their mean."""
    texels = places[:, 0].numpy() * COARSE / 2
    return float(np.linalg.norm(texels - texels.mean(0), axis=1).max())


def test_the_rim_tells_where_a_plain_edge_is():
    """A plain collar before a plain neck: inside the torso nothing shows how the collar moves, its edge does."""
    push = np.linspace(-0.05, 0.05, FRAMES)  # up to 3.2 texels
    views = torso_pictures(np.zeros((FRAMES, 2, 3)))
    rows, columns = (np.arange(SIDE) + 0.5)[:, None] / SCALE, (np.arange(SIDE) + 0.5)[None] / SCALE
    middle = (columns > 44) & (columns < 84)
    for row, down in enumerate(push):
        edge = 72 + down * COARSE / 2
        collar = np.clip((rows - edge) * SCALE + 0.5, 0, 1) * (middle & (rows < 90))
        neck = middle & (rows >= 50) & (rows < edge)
        area = torch.from_numpy(middle & (rows >= 50) & (rows < 90))
        views.pictures[row, 0][area] = torch.from_numpy(0.35 + 0.5 * collar).float()[area]
        views.torso[row, 0][torch.from_numpy(neck)] = 0
        views.near[row, 0][torch.from_numpy(neck & (rows < edge - 5))] = 0
    off = []
    for near in (views.torso, views.near):
        kept = Views(views.pictures, views.torso, near)
        found = Aligner(build_template(kept)).align(kept).motion
        edges = torch.tensor(np.c_[0 * push, 72 * 2 / COARSE - 1 + push], dtype=torch.float32)[:, None]
        off.append(strays(canonical(found, edges)))
    assert off[1] < 1.0
    assert off[1] < 0.5 * off[0]
