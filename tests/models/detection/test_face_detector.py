"""Face boxes on a real picture: found, in place under moving and scaling, absent where there is none."""

import cv2
import numpy as np
import pytest

from models.detection.face_detector import FaceDetector
from tasks.ingest.source import SourceVideo
from tasks.ingest.upright import Upright


@pytest.fixture(scope="module")
def picture(sample_clip) -> np.ndarray:
    with SourceVideo(sample_clip) as source:
        return Upright(source.facts, (640, 480))(next(source.frames())[1])


@pytest.mark.parametrize("far", [True, False])
def test_one_face_moves_with_the_picture(picture, far):
    with FaceDetector(far=far) as detect:
        (face,) = detect(picture)
        assert face.confidence > 0.6
        assert 130 < face.height < 210
        shifted = np.roll(picture, 60, axis=1)
        (moved,) = detect(shifted)
        assert moved.centre[0] - face.centre[0] == pytest.approx(60, abs=6)
        (half,) = detect(cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA))
        assert half.height == pytest.approx(face.height / 2, rel=0.08)


def test_the_largest_comes_first(picture):
    small = cv2.resize(picture, (400, 300), interpolation=cv2.INTER_AREA)
    both = np.full((480, 1040, 3), 128, np.uint8)
    both[100:400, :400] = small
    both[:, 400:] = picture
    with FaceDetector(far=True) as detect:
        faces = detect(both)
    assert len(faces) == 2
    assert faces[0].centre[0] > 400
    assert faces[0].height > faces[1].height


def test_nothing_and_nonsense():
    with FaceDetector() as detect:
        assert detect(np.full((240, 320, 3), 127, np.uint8)) == []
        with pytest.raises(ValueError, match="uint8 RGB"):
            detect(np.zeros((10, 10), np.uint8))
    detect.close()
