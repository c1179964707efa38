"""Face boxes: mediapipe's BlazeFace.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs" (2019).  The networks ship
inside the mediapipe 0.10.21 wheel (Apache-2.0).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.solution import Solution


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


class FaceDetector(Solution):
    """Finds faces in RGB pictures, each picture on its own.

    far: True uses the full-range network (faces from about 1/20 of the picture's width), False the short-range
    one (faces that fill a good part of the picture), which is faster and surer there.
    """

    def __init__(self, far: bool = True, confidence: float = 0.5) -> None:
        def make() -> Any:
            from mediapipe.python.solutions.face_detection import FaceDetection

            return FaceDetection(model_selection=int(far), min_detection_confidence=confidence)

        super().__init__(make, f"face detection {'full' if far else 'short'} range")

    def __call__(self, rgb: np.ndarray) -> list[Face]:
        """Faces in ``rgb`` (uint8 [H, W, 3]), the largest first."""
        found = self._process(rgb).detections or []
        height, width = rgb.shape[:2]
        faces = []
        for detection in found:
            box = detection.location_data.relative_bounding_box
            x0, y0 = box.xmin * width, box.ymin * height
            corners = (x0, y0, x0 + box.width * width, y0 + box.height * height)
            faces.append(Face(corners, float(detection.score[0])))
        return sorted(faces, key=lambda face: -face.height)
