"""iBUG-68 landmarks by dlib's shape predictor.

Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees" (CVPR 2014); King,
"Dlib-ml: A Machine Learning Toolkit" (JMLR 2009).
"""

from typing import Any

import numpy as np

from models.landmarks.boxed import BoxedDetector, Square

# The square that dlib's own detector reports, in widths of BlazeFace's box: medians over 89 frames of a real clip.
BOX_SIZE, BOX_RIGHT, BOX_DOWN = 0.97, 0.013, -0.007
SHOWN_SIDE = 2.0
"""Side of what is shown to the predictor, in sides of that square: it looks round the points as well."""
SHOWN_PIXELS = 640
"""dlib rounds its points to whole pixels; of a face this large that is 0.1 % of its width."""


class Dlib68(BoxedDetector):
    """predictor: a ``dlib.shape_predictor`` of 68 points."""

    def __init__(self, predictor: Any) -> None:
        super().__init__()
        import dlib

        self._rectangle = dlib.rectangle
        self._predictor = predictor
        self.name = f"dlib 68-point shape predictor ({dlib.__version__}) in boxes of {self._boxes.name}"

    def find(self, rgb: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
        """See BoxedDetector."""
        square = Square.round_box(box, SHOWN_SIDE * BOX_SIZE, BOX_RIGHT, BOX_DOWN)
        shown = square.cut(rgb, SHOWN_PIXELS)
        side = round(SHOWN_PIXELS / SHOWN_SIDE)
        start = (SHOWN_PIXELS - side) // 2
        # dlib's rectangles hold their last pixel.
        shape = self._predictor(shown, self._rectangle(start, start, start + side - 1, start + side - 1))
        points = np.array([(part.x + 0.5, part.y + 0.5) for part in shape.parts()])
        return square.to_picture(points, SHOWN_PIXELS)
