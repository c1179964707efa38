"""Hands: mediapipe's palm detector and hand landmarks.

Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking" (2020).  The networks ship inside the mediapipe
0.10.21 wheel (Apache-2.0).
"""

from typing import Any

import numpy as np

from models.solution import Solution


class HandDetector(Solution):
    """Finds up to two hands in RGB pictures, each picture on its own."""

    def __init__(self, confidence: float = 0.5) -> None:
        def make() -> Any:
            from mediapipe.python.solutions.hands import Hands

            return Hands(
                static_image_mode=True, max_num_hands=2, model_complexity=0, min_detection_confidence=confidence
            )

        super().__init__(make, "hands (lite)")

    def __call__(self, rgb: np.ndarray) -> list[np.ndarray]:
        """float32 [21, 2] x, y in pixels of every hand in ``rgb`` (uint8 [H, W, 3])."""
        found = self._process(rgb).multi_hand_landmarks or []
        height, width = rgb.shape[:2]
        return [np.array([(p.x * width, p.y * height) for p in hand.landmark], np.float32) for hand in found]
