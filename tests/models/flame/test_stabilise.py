"""The second pass: a resting head is held, a moving one is not, and the face goes on moving."""

from pathlib import Path

import numpy as np
import pytest
import torch
from animated_head import BLINK_AT, FOCAL, SIZE, animate, eye_opening, observe, rotation_errors

from models.flame.head import FlameHead
from models.flame.landmark_model import GLOBAL, JAW, LandmarkModel
from models.flame.stabilise import HELD, MOVING, activity, hold_resting
from models.flame.tracker import TrackerSettings, smoothness, track_landmarks
from tasks.artifacts.head import read_head

FRAMES = 60


@pytest.fixture(scope="module")
def head(open_head_path: Path) -> FlameHead:
    return read_head(open_head_path)


@pytest.fixture(scope="module")
def model(head: FlameHead) -> LandmarkModel:
    return LandmarkModel.of(head, head.embeddings["mesh"])


def test_activity_is_distance_in_a_quarter_of_a_second(head: FlameHead, model: LandmarkModel) -> None:
    _, x = animate(head, FRAMES)
    x[:, :6] = x[0, :6]
    assert activity(model, x).max() < 1e-9, "a moving face is no moving head"
    x[:, 3] += torch.arange(FRAMES) * 0.0016  # 1 cm in a quarter of a second
    np.testing.assert_allclose(activity(model, x)[20:40], 0.01, rtol=0.02)


def test_only_the_resting_part_is_held(head: FlameHead, model: LandmarkModel) -> None:
    _, x = animate(head, 120)
    x[:70, :6] = x[70, :6]
    ties = smoothness(head, 1.0)
    held = hold_resting(ties, model, x)
    assert held.second.shape == (118, x.shape[1])
    factor = (held.second / ties.second)[:, GLOBAL]
    assert (factor[:40] == HELD).all()
    assert activity(model, x)[90:110].min() > MOVING
    assert (factor[90:108] == 1).all()
    assert torch.equal(held.second[:, JAW], ties.second[JAW].expand(118, -1))
    assert hold_resting(ties, model, x[:2]) is ties


def test_a_resting_head_keeps_still_while_it_speaks(head: FlameHead) -> None:
    """Landmarks as a detector gives them: shaking as a whole, and leaning back with every opening of the mouth."""
    shape, x = animate(head, FRAMES)
    x[:, :6] = x[0, :6]
    leaning = x.clone()
    leaning[:, 0] -= 0.12 * x[:, 6]
    rng = np.random.default_rng(1)
    mesh = observe(head, shape, leaning, noise=0.4)
    mesh[..., :2] += rng.normal(0, 0.4, (FRAMES, 1, 2)).astype(np.float32)
    loose, held = (track_landmarks(head, mesh, FOCAL, SIZE, TrackerSettings(stabilise=on)) for on in (False, True))

    def unrest(track: object) -> float:
        rotation = track.parameters[:, :3]
        return float(np.sqrt(np.square(rotation_errors(rotation, rotation.mean(0)[None].repeat(FRAMES, 0))).mean()))

    assert unrest(held) < 0.5 * unrest(loose)
    assert np.corrcoef(held.parameters[:, 6], x[:, 6])[0, 1] > 0.95
    assert held.parameters[:, 6].std() > 0.94 * loose.parameters[:, 6].std()
    opening = eye_opening(held.points)
    assert abs(int(opening.argmin()) - BLINK_AT) <= 1
    assert opening.min() < 0.5 * np.median(opening)


def test_a_moving_head_is_not_dulled(head: FlameHead) -> None:
    shape, x = animate(head, FRAMES)
    mesh = observe(head, shape, x, noise=0.3)
    loose, held = (track_landmarks(head, mesh, FOCAL, SIZE, TrackerSettings(stabilise=on)) for on in (False, True))
    error = [np.median(rotation_errors(track.parameters[:, :3], x[:, :3].numpy())) for track in (loose, held)]
    assert error[1] < error[0] + 0.05
