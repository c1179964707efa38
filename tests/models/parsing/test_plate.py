"""The background plate: what was seen comes back, what was not is filled smoothly and said."""

import numpy as np

from models.parsing.plate import BackgroundPlate


def scene(shape=(64, 64)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([x * 3, y * 3, np.full(shape, 90)], -1).astype(np.uint8)


def test_a_person_that_moves_uncovers_everything():
    truth = scene()
    plate = BackgroundPlate(12, truth.shape[:2])
    rng = np.random.default_rng(0)
    for k in range(12):
        person = np.zeros(truth.shape[:2], bool)
        person[20:, 5 * k : 5 * k + 10] = True
        frame = np.clip(truth + rng.normal(0, 2, truth.shape), 0, 255).astype(np.uint8)
        frame[person] = (255, 0, 255)
        plate.add(frame, person)
    picture, seen = plate.finish()
    assert seen.all()
    assert np.abs(picture.astype(int) - truth).max() <= 4


def test_what_is_never_seen_is_filled_from_round_it():
    truth = np.full((64, 64, 3), (40, 90, 200), np.uint8)
    person = np.zeros((64, 64), bool)
    person[24:, 20:44] = True
    plate = BackgroundPlate(3, (64, 64))
    for _ in range(3):
        frame = truth.copy()
        frame[person] = 255
        plate.add(frame, person)
    picture, seen = plate.finish()
    assert not seen[person].any()
    assert seen[:20].all()
    assert np.abs(picture.astype(int) - truth).max() <= 3  # nothing of the person leaks in


def test_an_outlier_frame_does_not_count():
    truth = scene()
    plate = BackgroundPlate(5, truth.shape[:2])
    for k in range(5):
        plate.add(255 - truth if k == 2 else truth, np.zeros(truth.shape[:2], bool))
    picture, _ = plate.finish()
    assert np.array_equal(picture, truth)


def test_nothing_but_person():
    plate = BackgroundPlate(1, (32, 32))
    plate.add(np.full((32, 32, 3), 200, np.uint8), np.ones((32, 32), bool))
    _, seen = plate.finish()
    assert not seen.any()
