"""CSIM: whether a picture shows the same person, by the cosine of two face embeddings.

The network is dlib's ResNet of 128 numbers (King, http://blog.dlib.net/2017/02/high-quality-face-recognition-with-deep.html),
not the ArcFace of most papers, which no package registry ships: compare figures inside one table only.
"""

from typing import Any

import numpy as np


class FaceIdentity:
    """network: a ``dlib.face_recognition_model_v1``."""

    name = "dlib ResNet, 128 numbers"

    def __init__(self, network: Any) -> None:
        import dlib

        self._network = network
        self._shape = dlib.full_object_detection
        self._rectangle = dlib.rectangle
        self._points = dlib.points
        self._point = dlib.point

    def embed(self, rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """float64 [128] of the face in uint8 [H, W, 3] whose iBUG-68 landmarks [68, 2] (px) are known."""
        low, high = landmarks.min(0), landmarks.max(0)
        box = self._rectangle(*(round(float(v)) for v in (low[0], low[1], high[0], high[1])))
        points = self._points([self._point(round(float(x)), round(float(y))) for x, y in landmarks])
        return np.asarray(self._network.compute_face_descriptor(np.ascontiguousarray(rgb), self._shape(box, points)))


def csim(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two embeddings [D], -1 to 1."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
