"""Tracking landmarks whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from animated_head import BLINK_AT, FOCAL, SIZE, animate, eye_opening, observe, rotation_errors

from models.flame.head import FlameHead
from models.flame.initial_pose import InitialGuess, initial_pose, initial_pose_without_depth
from models.flame.landmark_fit import JAW_FIRST, LIKE_THE_JAW, FramePrior, Observations, jaw_share
from models.flame.landmark_model import LandmarkModel
from models.flame.sequence_fit import fit_sequence
from models.flame.tracker import Track, TrackerSettings, face_width, segments, smoothness, track_landmarks
from models.landmarks import parts
from tasks.artifacts.head import read_head

FRAMES = 70


@pytest.fixture(scope="module")
def head(open_head_path: Path) -> FlameHead:
    return read_head(open_head_path)


@pytest.fixture(scope="module")
def closed_loop(head: FlameHead) -> tuple[np.ndarray, np.ndarray, Track]:
    shape, x = animate(head, FRAMES)
    mesh = observe(head, shape, x, noise=0.3)
    torch.set_num_threads(1)
    return x.numpy(), mesh, track_landmarks(head, mesh, 1.3 * FOCAL, SIZE)


def test_pose_jaw_and_gaze_come_back(closed_loop: tuple[np.ndarray, np.ndarray, Track]) -> None:
    truth, mesh, track = closed_loop
    assert track.seen.all()
    assert np.median(rotation_errors(track.parameters[:, :3], truth[:, :3])) < 1.5
    assert np.corrcoef(track.parameters[:, 6], truth[:, 6])[0, 1] > 0.95
    assert np.corrcoef(track.parameters[:, 10], truth[:, 10])[0, 1] > 0.95
    assert abs(track.focal / FOCAL - 1) < 0.10
    error = np.linalg.norm(track.points - mesh[..., :2], axis=-1)
    assert np.median(error) < 0.01 * face_width(mesh)


def test_a_blink_survives_and_is_not_shifted(closed_loop: tuple[np.ndarray, np.ndarray, Track]) -> None:
    _, mesh, track = closed_loop
    opening = eye_opening(track.points)
    assert abs(int(opening.argmin()) - BLINK_AT) <= 1
    assert opening.min() < 0.5 * np.median(opening)
    assert opening.min() < 1.5 * eye_opening(mesh[..., :2]).min() + 1.0


def test_smoothing_calms_a_resting_head_without_dulling_the_jaw(head: FlameHead) -> None:
    shape, x = animate(head, 60)
    x[:, :6] = x[0, :6]
    mesh = observe(head, shape, x, noise=0.4)
    # The whole mesh shakes, as a detector's does.
    mesh[..., :2] += np.random.default_rng(1).normal(0, 0.4, (60, 1, 2)).astype(np.float32)
    loose, tied = (track_landmarks(head, mesh, FOCAL, SIZE, TrackerSettings(smoothing=s)) for s in (0.0, 1.0))
    still = [10, 168, 6, 4, 33, 263, 234, 454]
    shake = [np.diff(points[:, still, :2], n=2, axis=0).std() for points in (mesh, loose.points, tied.points)]
    assert shake[2] < 0.65 * shake[0]
    assert shake[2] < 0.85 * shake[1]
    depth = [np.diff(track.parameters[:, 5], n=2).std() for track in (loose, tied)]
    assert depth[1] < 0.2 * depth[0]
    jaw = tied.parameters[:, 6]
    assert np.corrcoef(jaw, x[:, 6])[0, 1] > 0.95
    assert jaw.std() > 0.75 * float(x[:, 6].std())


@pytest.mark.parametrize("landmarks", ["mesh", "ibug68"])
def test_dropped_frames_never_shift_the_others(head: FlameHead, landmarks: str) -> None:
    shape, x = animate(head, FRAMES)
    mesh = observe(head, shape, x, noise=0.2, landmarks=landmarks)
    rng = np.random.default_rng(5)
    dropped = rng.random(FRAMES) < 0.25
    dropped[40:52] = True  # longer than a gap may be
    dropped[:2] = True
    mesh[dropped] = np.nan
    track = track_landmarks(head, mesh, FOCAL, SIZE)
    assert len(track.parameters) == FRAMES
    np.testing.assert_array_equal(track.seen, ~dropped)
    finite = np.isfinite(track.parameters).all(1)
    expected = np.zeros(FRAMES, bool)
    for begin, end in segments(~dropped, 8):
        expected[begin:end] = True
    np.testing.assert_array_equal(finite, expected)
    assert not finite[44]
    assert (finite & dropped).any(), "short gaps are filled in"
    # Every frame agrees best with the truth of its own time, not of a neighbour's.
    yaw, pitch = track.parameters[:, 1], track.parameters[:, 0]
    wrong = []
    for shift in (-2, -1, 0, 1, 2):
        rows = np.flatnonzero(finite)
        rows = rows[(rows + shift >= 0) & (rows + shift < FRAMES)]
        true = x[rows + shift].numpy()
        wrong.append(np.mean(np.abs(yaw[rows] - true[:, 1]) + np.abs(pitch[rows] - true[:, 0])))
    assert int(np.argmin(wrong)) == 2
    filled = np.flatnonzero(finite & dropped)
    assert np.median(rotation_errors(track.parameters[filled, :3], x[filled, :3].numpy())) < 1.5


def test_a_frame_with_another_thing_for_a_face_is_not_believed(head: FlameHead) -> None:
    shape, x = animate(head, 40)
    mesh = observe(head, shape, x, noise=0.2)
    mesh[20, :, :2] = np.random.default_rng(0).uniform(60, 190, (478, 2))
    track = track_landmarks(head, mesh, FOCAL, SIZE)
    assert not track.seen[20]
    assert track.seen.sum() == 39
    assert np.isfinite(track.parameters[20]).all(), "it is filled in from its neighbours"
    assert rotation_errors(track.parameters[20:21, :3], x[20:21, :3].numpy())[0] < 2


def test_the_banded_solver_finds_the_dense_optimum(head: FlameHead) -> None:
    """A few frames: the stationary point of the whole cost, by automatic differentiation."""
    shape, x = animate(head, 5)
    mesh = observe(head, shape, x, noise=0.3)
    model = LandmarkModel.of(head, head.embeddings["mesh"]).personal(shape)
    weight = torch.ones(478, dtype=torch.float64)
    prior = FramePrior.of(head.expression_range, torch.float64)
    prior = prior.with_jaw_share(jaw_share(model, weight, head.expression_names))
    ties = smoothness(head, 1.0)
    uv = torch.from_numpy(mesh[..., :2]).double()
    observed = Observations(uv, torch.ones(478, dtype=torch.float64), face_width(mesh), FOCAL, SIZE)
    start = x + 0.02
    found = fit_sequence(model, start, observed, prior, ties, iterations=60, tolerance=1e-12)
    y = found.clone().requires_grad_()
    residual = (model.project(y, FOCAL, SIZE) - uv) / observed.scale
    cost = (observed.weight * 9 * torch.log1p(residual.square().sum(-1) / 9)).sum() + prior.terms(y)[0].sum()
    cost = cost + (y.diff(dim=0).square() / ties.first**2).sum() + (y.diff(n=2, dim=0).square() / ties.second**2).sum()
    cost.backward()
    # In units of each parameter's own stiffness the gradient is nothing.
    assert (y.grad.abs() / (prior.precision + ties.second**-2 + ties.first**-2 + 1)).max() < 1e-3


def test_the_first_pose_is_exact_for_a_distant_rigid_head(head: FlameHead) -> None:
    shape, x = animate(head, 6)
    x[:, 6:] = 0
    x[:, 5] -= 40.0
    model = LandmarkModel.of(head, head.embeddings["mesh"]).personal(shape)
    focal = 40000.0
    uv = model.project(x, focal, SIZE).numpy()
    z = model.points(x)[..., 2].numpy()
    mesh = np.concatenate([uv, (-(z - z.mean(1, keepdims=True)) * focal / 40.6)[..., None]], -1)
    mesh[2] = np.nan
    rotation, translation, _ = initial_pose(model.rest, model.joints[0], mesh, focal, SIZE)
    keep = [0, 1, 3, 4, 5]
    assert rotation_errors(rotation[keep].numpy(), x[keep, :3].numpy()).max() < 0.5
    np.testing.assert_allclose(translation[keep, :2], x[keep, 3:5], atol=1e-3)
    np.testing.assert_allclose(translation[keep, 2], x[keep, 5], rtol=0.01)
    assert torch.isnan(rotation[2]).all()


def test_sixty_eight_points_are_enough_for_pose_and_jaw(head: FlameHead) -> None:
    shape, x = animate(head, FRAMES)
    points = observe(head, shape, x, noise=0.3, landmarks="ibug68")
    track = track_landmarks(head, points, 1.3 * FOCAL, SIZE)
    assert track.points.shape == (FRAMES, 68, 2)
    assert track.seen.all()
    assert np.median(rotation_errors(track.parameters[:, :3], x[:, :3].numpy())) < 2.5
    assert np.corrcoef(track.parameters[:, 6], x[:, 6])[0, 1] > 0.9
    assert np.abs(track.parameters[:, 9:15]).max() < 0.01, "without irises the eyes look ahead"
    assert np.median(np.linalg.norm(track.points - points[..., :2], axis=-1)) < 0.01 * face_width(points)
    with pytest.raises(ValueError, match="no set of landmarks has 51 points"):
        track_landmarks(head, points[:, 17:], FOCAL, SIZE)


def test_a_pose_without_depth_is_exact_for_a_distant_rigid_head(head: FlameHead) -> None:
    shape, x = animate(head, 6)
    x[:, 6:] = 0
    x[:, 5] -= 40.0
    model = LandmarkModel.of(head, head.embeddings["ibug68"]).personal(shape)
    points = model.project(x, 40000.0, SIZE).numpy()
    points[2] = np.nan
    rotation, translation, _ = initial_pose_without_depth(model.rest, model.joints[0], points, 40000.0, SIZE)
    keep = [0, 1, 3, 4, 5]
    assert rotation_errors(rotation[keep].numpy(), x[keep, :3].numpy()).max() < 0.5
    np.testing.assert_allclose(translation[keep, :2], x[keep, 3:5], atol=1e-3)
    np.testing.assert_allclose(translation[keep, 2], x[keep, 5], rtol=0.01)
    assert torch.isnan(rotation[2]).all()


def test_the_fit_starts_where_it_is_told_to(head: FlameHead) -> None:
    """With no step allowed the guess itself comes back; a frame that it says nothing of starts from its landmarks."""
    shape, x = animate(head, 12)
    mesh = observe(head, shape, x, noise=0.1)
    told = x + 0.01
    told[4] = torch.nan
    mesh[7] = np.nan
    focals = []

    def parameters(focal: float) -> torch.Tensor:
        focals.append(focal)
        return told

    settings = TrackerSettings(iterations=0, worst_error=1.0)
    track = track_landmarks(head, mesh, FOCAL, SIZE, settings, guess=InitialGuess(shape, parameters))
    rows = [0, 1, 2, 3, 5, 6, 8, 9, 10, 11]
    np.testing.assert_allclose(track.parameters[rows], told[rows].numpy(), atol=1e-6)
    assert rotation_errors(track.parameters[4:5, :3], x[4:5, :3].numpy())[0] < 10
    np.testing.assert_allclose(track.parameters[7], (told[6] + told[8]).numpy() / 2, atol=1e-6)
    assert focals[0] == FOCAL
    assert focals[1] == track.focal


@pytest.mark.parametrize(
    ("seen", "longest", "expected"),
    [
        ("111", 0, [(0, 3)]),
        ("1011", 0, [(0, 1), (2, 4)]),
        ("1011", 1, [(0, 4)]),
        ("0110010", 2, [(1, 6)]),
        ("0110001", 2, [(1, 3), (6, 7)]),
        ("000", 3, []),
    ],
)
def test_segments(seen: str, longest: int, expected: list[tuple[int, int]]) -> None:
    assert segments(np.array([c == "1" for c in seen]), longest) == expected


def test_the_jaw_explains_an_open_mouth_even_where_the_chin_is_seen_to_lag(
    head: FlameHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on rendered faces: the detector's lips follow the jaw, its chin by two thirds only."""
    shape, x = animate(head, FRAMES)
    shut = x.clone()
    shut[:, 6] = 0
    mesh, without = (observe(head, shape, y, noise=0.0) for y in (x, shut))
    model = LandmarkModel.of(head, head.embeddings["mesh"])
    chin = (model.weights[:, 2] > 0.3).numpy()
    chin[parts.LIP_POINTS] = False
    mesh[:, chin] -= (mesh - without)[:, chin] / 3
    mesh += np.random.default_rng(0).normal(0, 0.3, mesh.shape).astype(np.float32)
    wanted = x[:, 6].numpy()
    slopes = []
    for factor in (JAW_FIRST, 1.0):
        monkeypatch.setattr("models.flame.landmark_fit.JAW_FIRST", factor)
        jaw = track_landmarks(head, mesh, FOCAL, SIZE).parameters[:, 6]
        slopes.append(np.polyfit(wanted, jaw, 1)[0])
        if factor == JAW_FIRST:
            assert np.corrcoef(jaw, wanted)[0, 1] > 0.97
    assert slopes[0] > 0.75
    assert slopes[0] > slopes[1] + 0.05


def test_the_actions_share_of_the_jaw(head: FlameHead) -> None:
    """mouthClose undoes what the jaw does to the lips; actions elsewhere have no share."""
    model = LandmarkModel.of(head, head.embeddings["mesh"]).personal(torch.zeros(head.shape_size))
    share = jaw_share(model, torch.ones(478, dtype=torch.float64), head.expression_names)
    named = dict(zip(head.expression_names, share[15:].tolist(), strict=True))
    assert min(named, key=lambda name: named[name]) == "mouthClose"
    assert -0.35 < named["mouthClose"] < -0.15
    assert not share[:15].any()
    assert all(value == 0 for name, value in named.items() if not name.startswith(LIKE_THE_JAW))


def test_the_priors_direction_is_a_quadratic(head: FlameHead) -> None:
    plain = FramePrior.of(head.expression_range, torch.float64)
    direction = torch.randn(plain.precision.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    prior = plain.with_jaw_share(direction)
    x = torch.rand(4, len(direction), dtype=torch.float64, requires_grad=True)
    cost, gradient, diagonal = prior.terms(x)
    cost.sum().backward()
    torch.testing.assert_close(x.grad, 2 * gradient)
    both = torch.func.hessian(lambda y: prior.terms(y[None])[0].sum())(x[0].detach())
    torch.testing.assert_close(both, 2 * (torch.diag(diagonal[0]) + prior.coupling))
    assert plain.coupling is None
