"""The square of a picture that DECA is shown, and the way back from it."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.deca.encoder import INPUT_SIZE

SCALE = 1.25
SHIFT = 0.12  # of the box's size, downwards: a detector's box ends at the brows, the head does not
LANDMARK_SIZE = 1.1


@dataclass(frozen=True)
class DecaCrop:
    """left, top: where the centre of the crop's first pixel lies in the picture, in pixels of the picture (whose own
    first pixel has its centre at 0.5, 0.5).  step: pixels of the picture a pixel of the crop."""

    left: float
    top: float
    step: float

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """float32 RGB [3, 224, 224] in 0..1 of a uint8 picture [H, W, 3]; black where the picture has ended."""
        # cv2 counts from the centre of the first pixel.
        back = np.array([[self.step, 0, self.left - 0.5], [0, self.step, self.top - 0.5]])
        size = (INPUT_SIZE, INPUT_SIZE)
        crop = cv2.warpAffine(picture.astype(np.float32), back, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return np.ascontiguousarray(crop.transpose(2, 0, 1)) / 255


def crop_of_box(box: np.ndarray) -> DecaCrop:
    """From a face detector's box (x0, y0, x1, y1 in pixels)."""
    x0, y0, x1, y1 = (float(v) for v in box)
    size = (x1 - x0 + y1 - y0) / 2
    return _square((x0 + x1) / 2, (y0 + y1) / 2 + SHIFT * size, size)


def crop_of_landmarks(points: np.ndarray) -> DecaCrop:
    """From 68 landmarks [68, 2] (pixels), which reach from the brows to the chin."""
    (x0, y0), (x1, y1) = points.min(0).tolist(), points.max(0).tolist()
    return _square((x0 + x1) / 2, (y0 + y1) / 2, LANDMARK_SIZE * (x1 - x0 + y1 - y0) / 2)


def _square(x: float, y: float, size: float) -> DecaCrop:
    if not size > 0:
        raise ValueError(f"a face of {size} pixels cannot be cropped")
    side = max(int(SCALE * size), 1)  # whole pixels, as in the published preprocessing
    return DecaCrop(x - side / 2, y - side / 2, side / (INPUT_SIZE - 1))
