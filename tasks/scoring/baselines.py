"""The two trivial portraits that any model has to beat: the mean training frame and the nearest one.

*Mean frame*: the pixel-wise mean of all training frames, shown at every held-out frame.

*Nearest frame*: the training frame whose 68 landmarks lie nearest to the held-out frame's, by mean Euclidean
distance in pixels.  The sets are compared where they are, not centred: the comparison that follows is pixel by
pixel, so where the head is counts as much as how it looks.  It sees the held-out frame's landmarks: an oracle
pose, as the self-driven render's.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import numpy as np


def nearest_rows(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """For each test set [M, L, 2] the row of the nearest training set [N, L, 2]; -1 where the test set has a NaN.

    Training rows with a NaN are never chosen.  Raises ValueError where no training row is usable.
    """
    usable = np.flatnonzero(np.isfinite(train).all((1, 2)))
    if not len(usable):
        raise ValueError("no training frame has landmarks")
    rows = np.full(len(test), -1, np.int64)
    for index in np.flatnonzero(np.isfinite(test).all((1, 2))):
        distance = np.linalg.norm(train[usable] - test[index], axis=-1).mean(-1)
        rows[index] = usable[distance.argmin()]
    return rows


class Baselines:
    """Collects both baselines while the training frames stream by.

    wanted: rows of training frames to keep (on disk, in a temporary file).  Use as a context manager.
    """

    def __init__(self, wanted: Iterable[int], size: int):
        self._slots = {row: slot for slot, row in enumerate(sorted({row for row in wanted if row >= 0}))}
        self._folder = tempfile.TemporaryDirectory(prefix="erlnet-baselines-")
        shape = (max(1, len(self._slots)), size, size, 3)
        self._kept = np.memmap(Path(self._folder.name) / "nearest", np.uint8, "w+", shape=shape)
        self._sum = np.zeros((size, size, 3), np.uint64)
        self._count = 0

    def see(self, row: int, picture: np.ndarray) -> None:
        """Take training frame ``row``, uint8 [S, S, 3]."""
        self._sum += picture
        self._count += 1
        if row in self._slots:
            self._kept[self._slots[row]] = picture

    def mean(self) -> np.ndarray:
        """Mean of the frames seen, rounded, uint8 [S, S, 3].  Raises ValueError where there was none."""
        if not self._count:
            raise ValueError("no training frame was seen")
        return np.round(self._sum / self._count).astype(np.uint8)

    def nearest(self, row: int) -> np.ndarray:
        """A wanted frame.  Raises KeyError for a row that was not wanted."""
        return np.asarray(self._kept[self._slots[row]])

    def __enter__(self) -> "Baselines":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._kept
        self._folder.cleanup()
