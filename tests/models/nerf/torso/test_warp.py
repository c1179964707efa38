"""One Gauss-Newton step of the displacements against dense least squares, and what two levels are for."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from models.nerf.torso import warp
from models.nerf.torso.motion import NODES
from models.nerf.torso.template import COARSE, SIDE, TorsoTemplate, Views
from models.nerf.torso.warp import LEVELS, Level, WarpSolver, at_nodes, least_area


def texture(sigma: float, seed: int = 0) -> np.ndarray:
    """Cloth [SIDE, SIDE] in 0..1."""
    cloth = gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE, SIDE)), sigma, mode="nearest")
    return 0.5 + 0.1 * cloth / cloth.std()


def all_torso(pictures: list[np.ndarray]) -> tuple[TorsoTemplate, Views]:
    """The first picture as template, the others as views; everything is torso."""
    first, *others = (torch.from_numpy(picture).float()[None, None] for picture in pictures)
    everywhere = torch.ones(len(others), 1, SIDE, SIDE)
    template = TorsoTemplate(first, everywhere[:1], everywhere[:1])
    return template, Views(torch.cat(others), everywhere, everywhere)


def test_a_step_is_damped_least_squares_on_the_brightness(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(warp, "STEPS", 1)
    side, nodes = 32, 5
    goal = texture(16)
    light = 1.1 * texture(16) + 0.03 + 0.02 * texture(16, seed=1)
    template, views = all_torso([goal, light])
    found = WarpSolver(template, Level(side, nodes, blurred=False)).measure(
        views, torch.zeros(1, 2, 3), torch.zeros(1, 2, 4)
    )
    # The same in float64 and without sparsity, from the definition.
    small, picture = (x.reshape(side, SIDE // side, side, SIDE // side).mean((1, 3)).ravel() for x in (goal, light))
    whole = np.pad(small.reshape(side, side), 1, mode="edge")
    right = ((whole[1:-1, 2:] - whole[1:-1, :-2]) * side / 4).ravel()
    down = ((whole[2:, 1:-1] - whole[:-2, 1:-1]) * side / 4).ravel()
    steps = np.clip((np.arange(side) + 0.5) * nodes / side - 0.5, 0, nodes - 1)
    hats = np.maximum(0, 1 - np.abs(steps[:, None] - np.arange(nodes)))
    basis = np.einsum("ai,bj->abij", hats, hats).reshape(side * side, nodes**2)
    slope, offset = np.polyfit(small, picture, 1)
    error = picture - slope * small - offset
    spread = 1.4826 * max(float(np.quantile(np.abs(error), 0.5, method="lower")), 0.01 / 1.4826)
    trust = (1 - np.clip(error / (4.685 * warp.TRUST * spread), -1, 1) ** 2) ** 2 * (COARSE / side) ** 2
    jacobian = np.hstack([basis * right[:, None], basis * down[:, None]])
    stiffness = np.eye(nodes**2) * warp.PULL * (12 / nodes) ** 2
    for a in range(nodes**2):
        for b in range(nodes**2):
            if abs(a // nodes - b // nodes) + abs(a % nodes - b % nodes) == 1:
                stiffness[a, a] += warp.SMOOTH
                stiffness[a, b] -= warp.SMOOTH
    normal = jacobian.T @ (trust[:, None] * jacobian) + np.kron(np.eye(2), stiffness)
    expected = np.linalg.solve(normal, jacobian.T @ (trust * error)).reshape(1, 2, -1)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3 * np.abs(expected).max())


def bulge(size: float, width: float) -> tuple[list[np.ndarray], np.ndarray]:
    """A picture and the same pushed down by up to ``size`` texels over ``width``; displacements W [SIDE, SIDE], in
    -1..1."""
    cloth = texture(2)
    v, u = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    push = -size * np.exp(-((u - SIDE / 2) ** 2 + (v - SIDE / 2) ** 2) / (2 * width**2))
    return [cloth, map_coordinates(cloth, [v + push, u], order=3, mode="nearest")], push * 2 / SIDE


def worst(found: torch.Tensor, true: np.ndarray) -> float:
    """Largest error in texels where nodes lie, away from the picture's rim."""
    nodes = ((np.arange(NODES) + 0.5) * SIDE / NODES - 0.5).round().astype(int)
    off = at_nodes(found)[0].view(2, NODES, NODES).numpy() - np.stack([0 * true, true])[:, nodes][:, :, nodes]
    return float(np.abs(off[:, 3:-3, 3:-3]).max() * SIDE / 2)


def test_the_fine_level_alone_loses_what_the_coarse_one_finds_and_then_sharpens_it():
    pictures, true = bulge(size=9, width=30)
    template, views = all_torso(pictures)
    still, affine = torch.zeros(1, 2, 4), torch.zeros(1, 2, 3)
    coarse, fine = (WarpSolver(template, level) for level in LEVELS)
    first = coarse.measure(views, affine, still)
    both = fine.measure(views, affine, first)
    assert worst(both, true) < 0.6 * worst(first, true)
    assert worst(both, true) < 0.4
    assert worst(fine.measure(views, affine, still), true) > 10 * worst(both, true)


def test_a_grid_read_at_other_nodes_is_the_same_field():
    centres = (torch.arange(6) + 0.5) * 2 / 6 - 1
    down, right = torch.meshgrid(centres, centres, indexing="ij")
    plane = torch.stack([0.1 + 0.2 * right, 0.3 * down - 0.1 * right]).view(1, 2, 36)
    read = at_nodes(plane, 9).view(2, 9, 9)
    centres = (torch.arange(9) + 0.5) * 2 / 9 - 1
    down, right = torch.meshgrid(centres, centres, indexing="ij")
    expected = torch.stack([0.1 + 0.2 * right, 0.3 * down - 0.1 * right])
    torch.testing.assert_close(read[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=1e-6, rtol=0)


def test_the_least_area_is_the_smallest_determinant_and_negative_where_the_picture_folds():
    centres = (torch.arange(10) + 0.5) * 2 / 10 - 1
    down, right = torch.meshgrid(centres, centres, indexing="ij")
    matrix = np.array([[-0.3, 0.1], [0.2, -0.4]])
    linear = torch.stack([-0.3 * right + 0.1 * down, 0.2 * right - 0.4 * down])
    folded = torch.stack([torch.where(right > 0, -1.5 * right, 0 * right), 0 * down])
    found = least_area(torch.stack([linear, folded, 0 * linear]).view(3, 2, 100))
    np.testing.assert_allclose(found.numpy(), [np.linalg.det(np.eye(2) + matrix), -0.5, 1], atol=1e-5)
