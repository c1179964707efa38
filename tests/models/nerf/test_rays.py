"""Rays against the project's camera, and their passage into the head frame."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from models.flame.camera import project
from models.nerf.rays import camera_rays, pixel_centres, to_head_frame


def test_points_along_a_ray_project_to_its_pixel():
    pixels = torch.rand(50, 2, dtype=torch.float64) * 256
    directions = camera_rays(pixels, focal=613.0, image_size=256)
    for depth in (0.3, 0.8, 5.0):
        torch.testing.assert_close(project(depth * directions, 613.0, 256), pixels)


def test_pixel_centres_are_row_major_and_scale_with_the_render_size():
    pixels = pixel_centres(4)
    assert pixels[1].tolist() == [1.5, 0.5]
    assert pixels[4].tolist() == [0.5, 1.5]
    large = pixel_centres(8, image_size=4)
    assert large[0].tolist() == [0.25, 0.25]
    # Four fine pixels surround the centre of a coarse one.
    fine = large.view(8, 8, 2)[:2, :2].reshape(-1, 2).mean(0)
    assert fine.tolist() == pixels[0].tolist()


def test_head_frame_rays_are_the_inverse_head_pose():
    rotation = torch.tensor(Rotation.random(5, random_state=0).as_matrix())
    translation = torch.randn(5, 3, dtype=torch.float64)
    directions = torch.randn(5, 7, 3, dtype=torch.float64)
    origin, turned = to_head_frame(directions, rotation, translation)
    depth = torch.rand(5, 7, 1, dtype=torch.float64) + 0.5
    in_head = origin + depth * turned
    back = np.einsum("fij,fnj->fni", rotation.numpy(), in_head.numpy()) + translation[:, None].numpy()
    np.testing.assert_allclose(back, (depth * directions).numpy(), atol=1e-12)
