"""What the parse stage asks of a source of label maps."""

from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol

import numpy as np


class LabelSource(Protocol):
    """A way to label every pixel of a video; holds no more than a bounded number of frames."""

    def learn(self, wanted: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Look at the frames ``wanted`` (ascending); yields each picture, uint8 RGB [H, W, 3], and bool [H, W], what of
        it may be person.  To be exhausted before ``labels``."""
        ...

    def labels(self) -> Generator[np.ndarray, None, None]:
        """Label map uint8 [H, W] of every frame, in order, values of tasks/artifacts/masks.py."""
        ...

    def facts(self) -> dict[str, Any]:
        """For the header of the masks, after ``learn``: ``parts``, and what is peculiar to the source."""
        ...
