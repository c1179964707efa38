"""The strip of a training: what it shows, how long it grows, and that a resumed training goes on with it."""

from pathlib import Path

import cv2
import numpy as np

from tasks.preview import MARGIN, MOST_ROWS, SIDE, PreviewStrip


def flat(level: int) -> np.ndarray:
    return np.full((64, 64, 3), (level, 0, 0), np.uint8)


def levels(path: Path) -> list[int]:
    """Red of the first picture of every row."""
    strip = cv2.imread(str(path))[..., ::-1]
    assert strip.shape[1] == MARGIN + 2 * SIDE
    return [int(value) for value in strip[SIDE // 2 :: SIDE, MARGIN + 5, 0]]


def test_rows_are_added_thinned_and_continued(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "strip.png"
    strip = PreviewStrip(path, [flat(200), flat(0)], resumed=False)
    strip.add([flat(1), flat(0)], ["step 1"])
    assert levels(path) == [200, 1]
    for level in range(2, MOST_ROWS + 1):
        strip.add([flat(level), flat(0)], ["step", "2 s"])
    assert levels(path) == [200, *range(1, MOST_ROWS + 1)]
    for level in range(MOST_ROWS + 1, 21):
        strip.add([flat(level), flat(0)], [])
    assert levels(path) == [200, 1, 5, 9, 13, 17, 20]  # evenly spread, and the newest
    assert (cv2.imread(str(path))[SIDE:, :MARGIN] < 100).any()  # the text
    again = PreviewStrip(path, [flat(200), flat(0)], resumed=True)
    again.add([flat(101), flat(0)], [])
    assert levels(path) == [200, 1, 5, 9, 13, 17, 20, 101]
    PreviewStrip(path, [flat(200), flat(0)], resumed=False).add([flat(9), flat(0)], [])
    assert levels(path) == [200, 9]


def test_a_strip_that_does_not_fit_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    PreviewStrip(path, [flat(3)], resumed=False).add([flat(4)], [])
    PreviewStrip(path, [flat(200), flat(0)], resumed=True).add([flat(5), flat(0)], [])
    assert levels(path) == [200, 5]
    path.write_bytes(b"no picture")
    PreviewStrip(path, [flat(200), flat(0)], resumed=True).add([flat(6), flat(0)], [])
    assert levels(path) == [200, 6]
