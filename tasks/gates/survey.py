"""One cheap look at a source video, from which every gate takes its numbers.

Pictures spread over the whole clip (the key frames nearest to 24 places) show whose face is where and whether the
scene stays the same.  Up to 48 seconds, in three stretches where the clip is longer, are then read frame by frame: the
face mesh in every frame, the dearer looks (number of faces, hands, sharpness, light, background) every 0.4 s.  The
sound is read whole, up to ten minutes.  Where those frames show that somebody else is the main person than the spread
pictures said, they are read once more, cut round that one.
"""

from collections.abc import Callable, Iterator, Sequence
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
from tasks.gates.person import Cast, Faces, Look
from tasks.ingest.facts import StreamFacts
from tasks.ingest.framing import choose_square
from tasks.ingest.main_face import Box, scaled
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

    faces: per sampled picture, in order of time.  equals: a second person is about as large and long in it as the main
    one.  scenes [M, SIDE, SIDE]: thumbnails of the pictures spread over the clip.  blur: radius as a share of the
    face's height.  lost: share of the face's pixels without detail.  covered: share of the lips behind hands.  shifts:
    displacement of the background as a share of the picture's long side.  sound float32 [T], 16 kHz, from the first
    picture; voice: probability of voice (VoiceActivity).
    """

    facts: StreamFacts
    duration: float
    faces: list[Faces] = field(default_factory=list)
    equals: bool = False
    scenes: list[np.ndarray] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    blur: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    covered: list[float] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)
    sound: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    voice: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))


def look_at(path: Path, duration: float, pauses: Sequence[tuple[float, float]] = ()) -> Survey:
    """Survey the video at ``path``, of ``duration`` seconds.  Raises BadInput where it cannot be read.

    pauses: (start, end) in seconds of what lies between the clips of a video that was joined; it is not looked at, and
    no stretch goes across.
    """
    sound = decode_sound(path, samples=round(min(duration, SOUND_SECONDS) * 16000))
    voice = VoiceActivity()(sound)
    with SourceVideo(path) as source, FaceDetector(far=True) as detect:
        eyes = _Eyes(source.facts, detect)
        looks, scenes = _spread(source, duration, eyes)
        cast = Cast.of(looks)
        for _ in range(2):
            survey = Survey(source.facts, duration, scenes=scenes, sound=sound, voice=voice)
            known = Cast.of(looks + _stretches(source, survey, eyes, cast.boxes, pauses))
            if known.agrees(cast):
                break
            cast = known
    survey.faces, survey.equals = known.faces(), known.equals
    return survey


def stretch_starts(duration: float) -> list[tuple[float, float]]:
    """Start and end in seconds of the parts that are read frame by frame: everything, where the clip is short; of a
    longer one three, spread over what is read of its sound."""
    if duration <= STRETCHES * STRETCH_SECONDS:
        return [(0.0, duration + 1.0)]
    room = min(duration, SOUND_SECONDS) - STRETCH_SECONDS  # lips are held against the sound, which is not read further
    starts = [room * k / (STRETCHES - 1) for k in range(STRETCHES)]
    return [(start, start + STRETCH_SECONDS) for start in starts]


class _Eyes:
    """The whole scene, small, and the faces in it."""

    def __init__(self, facts: StreamFacts, detect: FaceDetector):
        self.scale = min(1.0, SMALL / max(facts.width, facts.height))
        self.size = (max(2, round(facts.width * self.scale)), max(2, round(facts.height * self.scale)))
        self._upright, self._detect = Upright(facts, self.size), detect

    def __call__(self, frame: object) -> tuple[np.ndarray, list[tuple[Box, float]]]:
        """Picture uint8 RGB, small, and box in source pixels and confidence of every face in it."""
        picture = self._upright(frame)
        return picture, [(scaled(face.box, 1 / self.scale), face.confidence) for face in self._detect(picture)]


def _spread(source: SourceVideo, duration: float, eyes: _Eyes) -> tuple[list[Look], list[np.ndarray]]:
    """Looks at pictures over the whole clip, and their thumbnails."""
    looks, scenes, seen = [], [], set()
    for frame in spread_pictures(source, duration, SAMPLES):
        if frame.pts in seen:
            continue  # few key frames: the same picture again says nothing new
        seen.add(frame.pts)
        time = float((frame.pts or 0) * frame.time_base)
        picture, faces = eyes(frame)
        looks.append(Look(time, faces))
        scenes.append(thumbnail(picture))
    return looks, scenes


def without(parts: list[tuple[float, float]], pauses: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """What is left of ``parts`` (start, end) without ``pauses``, in order."""
    for begin, end in pauses:
        left = [((a, min(b, begin)), (max(a, end), b)) for a, b in parts]
        parts = [part for pair in left for part in pair if part[0] < part[1]]
    return parts


def _stretches(
    source: SourceVideo, survey: Survey, eyes: _Eyes, main: np.ndarray, pauses: Sequence[tuple[float, float]]
) -> list[Look]:
    """Read the stretches frame by frame, cut round the boxes [M, 4] of the main person, and note what is seen in them;
    returns where faces were."""
    facts = survey.facts
    if len(main):
        box = choose_square(main, facts.width, facts.height, ABOVE, BELOW, SIDES).box
    else:
        side = min(facts.width, facts.height) // 2 * 2
        left, top = (facts.width - side) // 4 * 2, (facts.height - side) // 4 * 2
        box = (left, top, left + side, top + side)
    looks = []
    crop = Upright(facts, (CROP, CROP), box)
    side = box[2] - box[0]
    native = Upright(facts, (side, side), box)
    parts = without(stretch_starts(survey.duration), pauses)
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
                found = mesh(picture) if len(main) else None
                times.append(time)
                points.append(np.full((LANDMARKS, 3), np.nan, np.float32) if found is None else found)
                thumbs.append(thumbnail(picture))
                bar.update()
                if time < due:
                    continue
                due = time + LOOK_EVERY
                scene, faces = eyes(frame)
                looks.append(Look(time, faces))
                boxes = np.array([scaled(place, eyes.scale) for place, _ in faces]).reshape(-1, 4)
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
    return looks


def _face(survey: Survey, native: np.ndarray, crop: np.ndarray, mesh: np.ndarray, hands: HandDetector) -> None:
    """Sharpness, light and hands in one picture with a face."""
    outline = mesh[OVAL_POINTS, :2]
    survey.lost.append(lost_share(crop, outline))
    low, high = outline.min(0), outline.max(0)
    survey.covered.append(hidden_share(crop, mesh[LIP_POINTS, :2], hands))
    x0, y0 = np.floor(low * len(native) / CROP).clip(0).astype(int)
    x1, y1 = np.ceil(high * len(native) / CROP).astype(int)
    face = native[y0:y1, x0:x1]
    if min(face.shape[:2]) >= 16:
        radius = blur_radius(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY))
        survey.blur.append(radius / len(face))


def hidden_share(picture: np.ndarray, lips: np.ndarray, hands: Callable[[np.ndarray], list[np.ndarray]]) -> float:
    """Share of ``lips`` [L, 2] (pixels) that is behind hands in the picture uint8 [H, W, 3], and in its mirror image.

    Now and then the detector takes a face for a hand, but not the same face mirrored; a hand is one either way.
    """
    share = covered_share(lips, hands(picture))
    if share == 0:
        return share
    mirrored = lips * [-1, 1] + [picture.shape[1], 0]
    return min(share, covered_share(mirrored, hands(np.ascontiguousarray(picture[:, ::-1]))))


def _thinned(frames: Iterator[tuple[float, object]]) -> Iterator[tuple[float, object]]:
    """At most MOST_FPS of the frames a second."""
    due = -np.inf
    for time, frame in frames:
        if time >= due:
            due = max(due, time - 0.5 / MOST_FPS) + 1 / MOST_FPS
            yield time, frame
