"""Hands: mediapipe's palm detector and hand landmarks.

Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking" (2020).  The networks ship inside the mediapipe
0.10.21 wheel (Apache-2.0).
"""

from importlib.metadata import version
from types import TracebackType
from typing import Any

import numpy as np

from models.quiet import quiet_stderr


class HandDetector:
    """Finds up to two hands in RGB pictures, each picture on its own.

    Use as a context manager; the object must not be shared between threads.
    """

    def __init__(self, confidence: float = 0.5) -> None:
        with quiet_stderr():
            from mediapipe.python.solutions.hands import Hands

            self._graph: Any = Hands(
                static_image_mode=True, max_num_hands=2, model_complexity=0, min_detection_confidence=confidence
            )
            self._graph.process(np.zeros((64, 64, 3), np.uint8))  # the networks log when they first run
        self.name = f"mediapipe hands (lite) {version('mediapipe')}"

    def __call__(self, rgb: np.ndarray) -> list[np.ndarray]:
        """float32 [21, 2] x, y in pixels of every hand in ``rgb`` (uint8 [H, W, 3])."""
        height, width = rgb.shape[:2]
        found = self._graph.process(np.ascontiguousarray(rgb)).multi_hand_landmarks or []
        return [np.array([(p.x * width, p.y * height) for p in hand.landmark], np.float32) for hand in found]

    def close(self) -> None:
        """Release the graph.  Calling it twice is harmless."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    def __enter__(self) -> "HandDetector":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
