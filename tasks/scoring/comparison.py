"""The picture of the side-by-side video: recording, render, and a caption that says what was trained on."""

import cv2
import numpy as np

CAPTION = 24  # pixels below the pictures


def side_by_side(truth: np.ndarray, render: np.ndarray, held_out: bool) -> np.ndarray:
    """Recording | render with a caption that says whether the frame was trained on; uint8 [H, W, 3] both."""
    height, width = truth.shape[:2]
    canvas = np.zeros((height + CAPTION, 2 * width, 3), np.uint8)
    canvas[:height, :width], canvas[:height, width:] = truth, render
    for x, text in ((0, "recorded"), (width, "rendered, held out" if held_out else "rendered, trained on")):
        cv2.putText(canvas, text, (x + 8, height + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (235, 235, 235), 1, cv2.LINE_AA)
    return canvas


def right_half(picture: np.ndarray) -> np.ndarray:
    """The render in a picture that ``side_by_side`` made."""
    height, width = picture.shape[0] - CAPTION, picture.shape[1] // 2
    return picture[:height, width:]
