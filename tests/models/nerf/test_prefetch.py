"""Batches drawn ahead are the batches."""

import threading

import pytest

from models.nerf.prefetch import AHEAD, DrawnAhead


class Counting:
    """A sampler whose batch is its arguments."""

    def __init__(self):
        self.drawn, self.lock = [], threading.Lock()

    def draw(self, step, frames):
        with self.lock:
            self.drawn.append(step)
        if step == 30:
            raise ValueError("step 30")
        return step, frames


def test_each_step_gets_its_batch_and_none_is_drawn_twice():
    sampler = Counting()
    ahead = DrawnAhead(sampler)
    assert [ahead.draw(step, 4) for step in range(5, 12)] == [(step, 4) for step in range(5, 12)]
    ahead.close()
    assert len(set(sampler.drawn)) == len(sampler.drawn)
    assert set(range(5, 12)) <= set(sampler.drawn) <= set(range(5, 12 + AHEAD))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("draw")]


def test_a_jump_is_followed():
    ahead = DrawnAhead(Counting())
    assert [ahead.draw(step, 2) for step in (0, 1, 20, 3)] == [(0, 2), (1, 2), (20, 2), (3, 2)]
    ahead.close()


def test_an_error_comes_out_at_its_step():
    ahead = DrawnAhead(Counting())
    assert ahead.draw(29, 1) == (29, 1)
    with pytest.raises(ValueError, match="step 30"):
        ahead.draw(30, 1)
    ahead.close()
