"""Detectors of 68 landmarks that have to be told where the face is: a box is found first, then the points in it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from models.detection.face_detector import FaceDetector


@dataclass(frozen=True)
class Square:
    """A square of a picture: left, top and side in pixels (the picture's first pixel has its centre at 0.5, 0.5)."""

    left: float
    top: float
    side: float

    @classmethod
    def round_box(
        cls, box: tuple[float, float, float, float], size: float, right: float = 0.0, down: float = 0.0
    ) -> "Square":
        """Of ``size`` widths of the box (x0, y0, x1, y1), its centre ``right`` and ``down`` widths from the box's."""
        x0, y0, x1, y1 = box
        width = x1 - x0
        side = size * width
        return cls((x0 + x1 - side) / 2 + right * width, (y0 + y1 - side) / 2 + down * width, side)

    def cut(self, picture: np.ndarray, size: int) -> np.ndarray:
        """The square as a picture of ``size`` pixels; black where ``picture`` has ended."""
        step = self.side / size
        # cv2 counts from the centre of the first pixel.
        back = np.array([[step, 0, self.left + step / 2 - 0.5], [0, step, self.top + step / 2 - 0.5]])
        return cv2.warpAffine(picture, back, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)

    def to_picture(self, points: np.ndarray, size: int) -> np.ndarray:
        """Points [L, 2] of the cut, taken back to the picture."""
        return np.array([self.left, self.top]) + points * (self.side / size)


class BoxedDetector(ABC):
    """Finds the largest face with mediapipe's BlazeFace, then its points; a context manager, for one thread.

    BlazeFace stands for the box detectors these landmark detectors were published with (dlib's, S3FD): it needs no
    further file and finds turned heads.  Subclasses say which square round its box looks like what theirs is used to.
    """

    points = 68
    name: str

    def __init__(self) -> None:
        self._boxes = FaceDetector(far=False)

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        """float32 [68, 3], iBUG's order, z zero; None where no face is found.  See LandmarkDetector."""
        faces = self._boxes(rgb)
        if not faces:
            return None
        found = self.find(rgb, faces[0].box)
        return np.concatenate([found, np.zeros((len(found), 1))], 1).astype(np.float32)

    @abstractmethod
    def find(self, rgb: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
        """The 68 points [68, 2] (pixels of ``rgb``) of the face in ``box`` (x0, y0, x1, y1)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._boxes.close()
