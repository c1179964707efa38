"""Which rays a step sees."""

from types import SimpleNamespace

import numpy as np
from scipy.ndimage import distance_transform_cdt

from models.nerf.sampling import NEAR, RaySampler, RayShares

SIZE = 64
SKIN, LIPS, NECK, TORSO = 3, 5, 2, 1


def sampler(labels: np.ndarray, shares: RayShares) -> RaySampler:
    count = len(labels)
    pictures = SimpleNamespace(colours=np.zeros((count, SIZE, SIZE, 3), np.uint8), labels=labels)
    inside = np.zeros((count, 16, 16), bool)
    inside[:, :11] = True
    return RaySampler(pictures, inside, np.arange(count), shares, 4, 0, ([LIPS], [NECK], [TORSO]))


def portrait() -> np.ndarray:
    labels = np.zeros((1, SIZE, SIZE), np.uint8)
    labels[:, 8:36, 20:44] = SKIN
    labels[:, 28:32, 28:36] = LIPS
    labels[:, 36:42, 26:38] = NECK
    labels[:, 42:, 10:54] = TORSO
    return labels


def test_the_necks_share_reaches_over_its_borders_and_no_further():
    labels = portrait()
    batch = sampler(labels, RayShares(head=400, fine=0, neck=400, other=4, torso=4)).draw(0, 1)
    drawn = batch.labels[:400].numpy()
    assert {SKIN, NECK, TORSO} <= set(drawn.tolist())
    # Chebyshev distance of each ray to the nearest pixel of the neck.
    away = distance_transform_cdt(labels[0] != NECK, metric="chessboard")
    u, v = (batch.head_pixels[0].numpy() - 0.5).astype(int).T
    assert away[v, u].max() == round(NEAR * SIZE)


def test_mouth_and_eyes_keep_to_their_labels_and_the_torso_to_cells_without_head():
    batch = sampler(portrait(), RayShares(head=60, fine=50, neck=0, other=40, torso=40)).draw(3, 1)
    assert (batch.labels[:50] == LIPS).all()
    assert (batch.labels[60:] == TORSO).all()
    assert (batch.other_pixels[0, :, 1] >= 44).all()


def test_a_step_is_drawn_the_same_again_and_a_frame_without_neck_all_the_same():
    labels = portrait()
    labels[labels == NECK] = TORSO
    one = sampler(labels, RayShares(head=20, fine=4, neck=8, other=6, torso=2))
    first, again, later = one.draw(5, 3), one.draw(5, 3), one.draw(6, 3)
    assert first.head_pixels.shape == (3, 20, 2)
    assert (first.head_pixels == again.head_pixels).all()
    assert not (first.head_pixels == later.head_pixels).all()
