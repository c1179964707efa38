"""What every landmark detector is to its callers."""

from types import TracebackType
from typing import Protocol, Self

import numpy as np


class LandmarkDetector(Protocol):
    """Finds the landmarks of one face, picture after picture of one video; a context manager, for one thread."""

    name: str
    points: int

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        """float32 [points, 3] of the face in ``rgb`` (uint8 [H, W, 3]) or None where no face is found.

        x, y in pixels (origin top left, pixel centres at half integers); z relative depth, or zero where the detector
        knows none (models/landmarks/layouts.py says which do).
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
