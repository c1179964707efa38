"""What mediapipe's solutions have in common: a quiet beginning, one picture at a time, an end.

Their networks ship inside the mediapipe 0.10.21 wheel (Apache-2.0).
"""

from collections.abc import Callable
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

import numpy as np

from models.quiet import quiet_stderr


class Solution:
    """A graph of mediapipe.  Use as a context manager; the object must not be shared between threads.

    name: of graph and version, for artifacts to say what they were made with.
    """

    def __init__(self, make: Callable[[], Any], name: str) -> None:
        """make: imports and builds the graph, both of which would write to standard error."""
        with quiet_stderr():
            self._graph: Any = make()
            self._graph.process(np.zeros((64, 64, 3), np.uint8))  # networks log when they first run
        self.name = f"mediapipe {name} {version('mediapipe')}"

    def _process(self, rgb: np.ndarray) -> Any:
        """The graph's answer to a picture.  Raises ValueError unless it is uint8 RGB [H, W, 3]."""
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(f"expected uint8 RGB [H, W, 3], got {rgb.dtype} {rgb.shape}")
        return self._graph.process(np.ascontiguousarray(rgb))

    def close(self) -> None:
        """Release the graph.  Calling it twice is harmless."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
