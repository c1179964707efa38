"""One cheap look at a source video, from which every gate takes its numbers.

Pictures spread over the whole clip (the key frames nearest to 24 places) show whose face is where and whether the
scene stays the same.  Up to 48 seconds, in three stretches where the clip is longer, are then read frame by frame: the
face mesh in every frame, the dearer looks (number of faces, hands, sharpness, light, background) every 0.4 s.  The
sound is read whole, up to ten minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from models.detection.face_detector import FaceDetector
from models.detection.hands import HandDetector
from models.landmarks.face_mesh import LANDMARKS, FaceMesh
from models.landmarks.parts import LIP_POINTS, OVAL_POINTS
from models.quality.blur import blur_radius
from models.quality.camera_motion import away_from_person, background_shift
from models.quality.cuts import SIDE, thumbnail
from models.quality.face_pose import covered_share
from models.quality.lighting import lost_share
from models.speech.voice_activity import VoiceActivity
from tasks.ingest.facts import StreamFacts
from tasks.ingest.framing import choose_square
from tasks.ingest.media import decode_sound
from tasks.ingest.source import SourceVideo
from tasks.ingest.spread import spread_pictures
from tasks.ingest.upright import Upright

SAMPLES = 24
STRETCHES, STRETCH_SECONDS = 3, 16.0
LOOK_EVERY = 0.4  # seconds between the dearer looks
MOST_FPS = 31.0  # frames a second that are looked at; of faster videos every second or fourth
SMALL = 320  # pixels of the long side of the pictures of the whole scene
CROP = 256  # pixels of the square round the head
SOUND_SECONDS = 600
ABOVE, BELOW, SIDES = 0.75, 0.85, 0.8  # room round the face, as the crop stage leaves it
LARGE = 0.4  # of the main face's height: faces from that size on count as another person


@dataclass
class Stretch:
    """An uninterrupted part of the clip.

    times [N]: seconds on the file's clock.  mesh float32 [N, 478, 3]: pixels of the crop, NaN where no face was found.
    thumbnails [N, SIDE, SIDE].
    """

    times: np.ndarray
    mesh: np.ndarray
    thumbnails: np.ndarray


@dataclass
class Survey:
    """What was seen and heard.

    faces: per sampled picture, heights in source pixels of the faces that count, the largest first.  scenes [M, SIDE,
    SIDE]: thumbnails of the pictures spread over the clip.  blur: radius as a share of the face's height.  lost: share
    of the face's pixels without detail.  covered: share of the lips behind hands.  shifts: displacement of the
    background as a share of the picture's long side.  sound float32 [T], 16 kHz, from the first picture; voice:
    probability of voice (VoiceActivity).
    """

    facts: StreamFacts
    duration: float
    faces: list[list[float]] = field(default_factory=list)
    scenes: list[np.ndarray] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    blur: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    covered: list[float] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)
    sound: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    voice: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))


def look_at(path: Path, duration: float) -> Survey:
    """Survey the video at ``path``, of ``duration`` seconds.  Raises BadInput where it cannot be read."""
    sound = decode_sound(path, samples=round(min(duration, SOUND_SECONDS) * 16000))
    with SourceVideo(path) as source, FaceDetector(far=True) as detect:
        survey = Survey(source.facts, duration, sound=sound, voice=VoiceActivity()(sound))
        eyes = _Eyes(source.facts, detect)
        main = _spread(source, survey, eyes)
        _stretches(source, survey, eyes, main)
    return survey


def stretch_starts(duration: float) -> list[tuple[float, float]]:
    """Start and end in seconds of the parts that are read frame by frame: everything, where the clip is short."""
    if duration <= STRETCHES * STRETCH_SECONDS:
        return [(0.0, duration + 1.0)]
    room = duration - STRETCH_SECONDS
    starts = [room * k / (STRETCHES - 1) for k in range(STRETCHES)]
    return [(start, start + STRETCH_SECONDS) for start in starts]


class _Eyes:
    """The whole scene, small, and the faces in it."""

    def __init__(self, facts: StreamFacts, detect: FaceDetector):
        self.scale = min(1.0, SMALL / max(facts.width, facts.height))
        self.size = (max(2, round(facts.width * self.scale)), max(2, round(facts.height * self.scale)))
        self._upright, self._detect = Upright(facts, self.size), detect

    def __call__(self, frame: object) -> tuple[np.ndarray, np.ndarray]:
        """Picture uint8 RGB and boxes [F, 4] of the faces that count, in its pixels, the largest first."""
        picture = self._upright(frame)
        found = self._detect(picture)
        boxes = [face.box for face in found if face.height >= LARGE * found[0].height]
        return picture, np.array(boxes, np.float64).reshape(-1, 4)

    def heights(self, boxes: np.ndarray) -> list[float]:
        return [float(height) for height in (boxes[:, 3] - boxes[:, 1]) / self.scale]


def _spread(source: SourceVideo, survey: Survey, eyes: _Eyes) -> np.ndarray:
    """Pictures over the whole clip; returns the main faces' boxes [M, 4] in source pixels."""
    main, seen = [], set()
    for frame in spread_pictures(source, survey.duration, SAMPLES):
        if frame.pts in seen:
            continue  # few key frames: the same picture again says nothing new
        seen.add(frame.pts)
        picture, boxes = eyes(frame)
        survey.faces.append(eyes.heights(boxes))
        survey.scenes.append(thumbnail(picture))
        if len(boxes):
            main.append(boxes[0] / eyes.scale)
    return np.array(main).reshape(-1, 4)


def _stretches(source: SourceVideo, survey: Survey, eyes: _Eyes, main: np.ndarray) -> None:
    """Read the stretches frame by frame and note what is seen in them."""
    facts = survey.facts
    if len(main):
        box = choose_square(main, facts.width, facts.height, ABOVE, BELOW, SIDES).box
        tall = float(np.median(main[:, 3] - main[:, 1]))
    else:
        side = min(facts.width, facts.height) // 2 * 2
        left, top = (facts.width - side) // 4 * 2, (facts.height - side) // 4 * 2
        box, tall = (left, top, left + side, top + side), 0.0
    crop = Upright(facts, (CROP, CROP), box)
    side = box[2] - box[0]
    native = Upright(facts, (side, side), box)
    parts = stretch_starts(survey.duration)
    total = round(min(survey.duration, STRETCHES * STRETCH_SECONDS) * min(facts.fps, MOST_FPS))
    with (
        FaceMesh() as mesh,
        HandDetector() as hands,
        tqdm(total=total, desc="looking at the video", unit="frame", mininterval=1.0) as bar,
    ):
        for start, end in parts:
            times, points, thumbs = [], [], []
            first: tuple[np.ndarray, np.ndarray] | None = None
            due = -np.inf
            for time, frame in _thinned(source.between(start, end)):
                picture = crop(frame)
                found = mesh(picture) if tall else None
                times.append(time)
                points.append(np.full((LANDMARKS, 3), np.nan, np.float32) if found is None else found)
                thumbs.append(thumbnail(picture))
                bar.update()
                if time < due:
                    continue
                due = time + LOOK_EVERY
                scene, boxes = eyes(frame)
                survey.faces.append(eyes.heights(boxes))
                grey = cv2.cvtColor(scene, cv2.COLOR_RGB2GRAY)
                if first is None:
                    first = grey, boxes
                else:
                    free = away_from_person(grey.shape, np.concatenate([first[1], boxes]))
                    shift = background_shift(first[0], grey, free)
                    if shift is not None:
                        survey.shifts.append(shift / max(eyes.size))
                if found is not None:
                    _face(survey, native(frame), picture, found, hands)
            survey.stretches.append(
                Stretch(
                    np.array(times),
                    np.array(points, np.float32).reshape(-1, LANDMARKS, 3),
                    np.array(thumbs, np.float32).reshape(-1, SIDE, SIDE),
                )
            )


def _face(survey: Survey, native: np.ndarray, crop: np.ndarray, mesh: np.ndarray, hands: HandDetector) -> None:
    """Sharpness, light and hands in one picture with a face."""
    outline = mesh[OVAL_POINTS, :2]
    survey.lost.append(lost_share(crop, outline))
    low, high = outline.min(0), outline.max(0)
    survey.covered.append(covered_share(mesh[LIP_POINTS, :2], hands(crop)))
    x0, y0 = np.floor(low * len(native) / CROP).clip(0).astype(int)
    x1, y1 = np.ceil(high * len(native) / CROP).astype(int)
    face = native[y0:y1, x0:x1]
    if min(face.shape[:2]) >= 16:
        radius = blur_radius(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY))
        survey.blur.append(radius / len(face))


def _thinned(frames: Iterator[tuple[float, object]]) -> Iterator[tuple[float, object]]:
    """At most MOST_FPS of the frames a second."""
    due = -np.inf
    for time, frame in frames:
        if time >= due:
            due = max(due, time - 0.5 / MOST_FPS) + 1 / MOST_FPS
            yield time, frame
