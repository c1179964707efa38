"""Person matte: mediapipe's selfie segmentation.

The network (a MobileNetV3 variant, 256x256 input) ships inside the mediapipe 0.10.21 wheel (Apache-2.0).
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from importlib.metadata import version
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from models.quiet import quiet_stderr

T = TypeVar("T")


class PersonMatte:
    """Share of each pixel that belongs to a person.

    Use as a context manager; the object must not be shared between threads.
    """

    def __init__(self) -> None:
        with quiet_stderr():
            from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

            self._graph: Any = SelfieSegmentation(model_selection=0)
            self._graph.process(np.zeros((64, 64, 3), np.uint8))  # the network logs when it first runs
        self.name = f"mediapipe selfie segmentation {version('mediapipe')}"

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """float32 [H, W] in 0..1 for uint8 RGB [H, W, 3]."""
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(f"expected uint8 RGB [H, W, 3], got {rgb.dtype} {rgb.shape}")
        return np.array(self._graph.process(np.ascontiguousarray(rgb)).segmentation_mask, np.float32)

    def close(self) -> None:
        """Release the graph.  Calling it twice is harmless."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    def __enter__(self) -> "PersonMatte":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
