"""Person matte: mediapipe's selfie segmentation.

The network (a MobileNetV3 variant, 256x256 input) ships inside the mediapipe 0.10.21 wheel (Apache-2.0).
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from models.solution import Solution

T = TypeVar("T")


class PersonMatte(Solution):
    """Share of each pixel that belongs to a person."""

    def __init__(self) -> None:
        def make() -> Any:
            from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

            return SelfieSegmentation(model_selection=0)

        super().__init__(make, "selfie segmentation")

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """float32 [H, W] in 0..1 for uint8 RGB [H, W, 3]."""
        return np.array(self._process(rgb).segmentation_mask, np.float32)


def every_nth_matte(
    frames: Iterable[tuple[T, np.ndarray]], matte: Callable[[np.ndarray], np.ndarray], every: int
) -> Iterator[tuple[T, np.ndarray, np.ndarray]]:
    """Yield (item, picture, matte) of every (item, picture), in order, with ``matte`` run on every n-th picture only.

    The pictures between two of them get the interpolation of both, those after the last one that of it and the last
    picture of all.  At most ``every`` pictures are held.
    """
    held: list[tuple[T, np.ndarray]] = []
    before: np.ndarray | None = None
    for index, frame in enumerate(frames):
        held.append(frame)
        if index % every == 0:
            before = yield from _interpolated(held, before, matte(frame[1]))
            held = []
    if held:
        yield from _interpolated(held, before, matte(held[-1][1]))


def _interpolated(
    held: list[tuple[T, np.ndarray]], before: np.ndarray | None, after: np.ndarray
) -> Generator[tuple[T, np.ndarray, np.ndarray], None, np.ndarray]:
    """The held frames with their mattes, the last of which is ``after``, which is returned."""
    for place, (item, picture) in enumerate(held, 1):
        share = place / len(held)
        yield item, picture, after if before is None or share == 1 else (1 - share) * before + share * after
    return after
