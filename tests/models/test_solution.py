"""The frame round mediapipe's graphs, on a graph of our own."""

import os
from importlib.metadata import version

import numpy as np
import pytest

from models.solution import Solution


class Graph:
    def __init__(self) -> None:
        os.write(2, b"a native library logs\n")
        self.seen: list[tuple[int, ...]] = []
        self.closed = 0

    def process(self, rgb: np.ndarray) -> int:
        assert rgb.flags.c_contiguous
        self.seen.append(rgb.shape)
        return len(self.seen)

    def close(self) -> None:
        self.closed += 1


def test_it_begins_quietly_checks_pictures_and_ends_once(capfd: pytest.CaptureFixture[str]) -> None:
    made: list[Graph] = []

    def make() -> Graph:
        made.append(Graph())
        return made[0]

    with Solution(make, "of a test") as solution:
        [graph] = made
        assert graph.seen == [(64, 64, 3)]  # so that its networks are loaded
        assert solution.name == f"mediapipe of a test {version('mediapipe')}"
        assert solution._process(np.zeros((3, 6, 8), np.uint8).transpose(1, 2, 0)) == 2
        for wrong in (np.zeros((6, 8, 3)), np.zeros((6, 8), np.uint8), np.zeros((6, 8, 4), np.uint8)):
            with pytest.raises(ValueError, match="expected uint8 RGB"):
                solution._process(wrong)
        assert graph.closed == 0
    solution.close()
    assert graph.closed == 1
    assert capfd.readouterr().err == ""
