"""Face boxes: mediapipe's BlazeFace.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs" (2019).  The networks ship
inside the mediapipe 0.10.21 wheel (Apache-2.0).
"""

from dataclasses import dataclass
from importlib.metadata import version
from types import TracebackType
from typing import Any

import numpy as np

from models.quiet import quiet_stderr


@dataclass(frozen=True)
class Face:
    """One detected face.

    box: x0, y0, x1, y1 in pixels of the picture, not clipped to it; from mid-forehead to chin, roughly square.
    confidence: 0..1.
    """

    box: tuple[float, float, float, float]
    confidence: float

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    @property
    def centre(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


class FaceDetector:
    """Finds faces in RGB pictures, each picture on its own.

    far: True uses the full-range network (faces from about 1/20 of the picture's width), False the short-range
    one (faces that fill a good part of the picture), which is faster and surer there.
    Use as a context manager; the object must not be shared between threads.
    """

    def __init__(self, far: bool = True, confidence: float = 0.5) -> None:
        with quiet_stderr():
            from mediapipe.python.solutions.face_detection import FaceDetection

            self._graph: Any = FaceDetection(model_selection=int(far), min_detection_confidence=confidence)
            self._graph.process(np.zeros((64, 64, 3), np.uint8))  # the network logs when it first runs
        self.name = f"mediapipe face detection {'full' if far else 'short'} range {version('mediapipe')}"

    def __call__(self, rgb: np.ndarray) -> list[Face]:
        """Faces in ``rgb`` (uint8 [H, W, 3]), the largest first."""
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(f"expected uint8 RGB [H, W, 3], got {rgb.dtype} {rgb.shape}")
        height, width = rgb.shape[:2]
        found = self._graph.process(np.ascontiguousarray(rgb)).detections or []
        faces = []
        for detection in found:
            box = detection.location_data.relative_bounding_box
            x0, y0 = box.xmin * width, box.ymin * height
            corners = (x0, y0, x0 + box.width * width, y0 + box.height * height)
            faces.append(Face(corners, float(detection.score[0])))
        return sorted(faces, key=lambda face: -face.height)

    def close(self) -> None:
        """Release the graph.  Calling it twice is harmless."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    def __enter__(self) -> "FaceDetector":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
