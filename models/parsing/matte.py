"""Person matte: mediapipe's selfie segmentation.

The network (a MobileNetV3 variant, 256x256 input) ships inside the mediapipe 0.10.21 wheel (Apache-2.0).
"""

from importlib.metadata import version
from types import TracebackType
from typing import Any

import numpy as np

from models.quiet import quiet_stderr


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
