"""Dense facial landmarks: mediapipe's face mesh with refined lips, eyes and irises.

Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs" (2019), and Grishchenko
et al., "Attention Mesh" (2020).  The networks ship inside the mediapipe 0.10.21 wheel (Apache-2.0).
"""

import contextlib
from typing import Any

import numpy as np

from models.quiet import quiet_stderr
from models.solution import Solution

MESH_POINTS = 468
IRIS_POINTS = 10
LANDMARKS = MESH_POINTS + IRIS_POINTS  # five points of the right iris, then five of the left


class FaceMesh(Solution):
    """Finds the 478 points of one face in an RGB picture.

    static: True treats every picture on its own (the detector runs each time); False follows one face through
    consecutive frames of a video, which is several times faster and steadier.
    detection_confidence, tracking_confidence: 0..1, below which a face counts as not found.
    """

    points = LANDMARKS

    def __init__(
        self, static: bool = False, detection_confidence: float = 0.5, tracking_confidence: float = 0.5
    ) -> None:
        def make() -> Any:
            from mediapipe.python.solutions.face_mesh import FaceMesh as Graph

            return Graph(
                static_image_mode=static,
                max_num_faces=1,
                refine_landmarks=True,
                min_detection_confidence=detection_confidence,
                min_tracking_confidence=tracking_confidence,
            )

        super().__init__(make, "face mesh")
        self._settled = False  # the detector has run by now; the mesh network first runs, and logs, at the first face

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        """Landmarks of the face in ``rgb`` (uint8 [H, W, 3]) or None where no face is found.

        Returns float32 [478, 3]: x, y in pixels (origin top left, pixel centres at half integers), z the
        network's relative depth in the same unit, negative towards the camera.
        """
        with contextlib.nullcontext() if self._settled else quiet_stderr():
            faces = self._process(rgb).multi_face_landmarks
        if not faces:
            return None
        self._settled = True
        height, width = rgb.shape[:2]
        points = np.array([(p.x, p.y, p.z) for p in faces[0].landmark], np.float32)
        # z is scaled like x (documentation of the face mesh solution).
        return points * np.array([width, height, width], np.float32)
