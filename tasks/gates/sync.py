"""Gates on picture and sound together: do the lips move with this voice, and at the same time?

The measure is this project's own (models/quality/lip_sync.py); its figures are not SyncNet's.
"""

from functools import lru_cache

import numpy as np

from models.quality.face_pose import mouth_shape
from models.quality.lip_sync import CLEAR, FPS, LipSync, lip_sync, log_mel
from models.speech.voice_activity import VOICE, at_frames
from tasks.artifacts.subject import GateRecord
from tasks.gates.survey import Stretch, Survey
from tasks.gates.verdict import Limits, gate, not_measured

ENOUGH = 10  # stretches of speech, some 13 s: fewer are no proof against a clip
APART = 0.1  # seconds between frames with a face across which the mouth's shape is interpolated


def lips_follow_sound(survey: Survey, limits: Limits) -> GateRecord:
    """Percent of the 3 s stretches of speech in which the lips go with the sound at the clip's common offset."""
    name, unit = "lips follow sound", "%"
    found = measure(survey)
    if found is None:
        why = "too little speech with a face in view to compare the two"
        return not_measured(name, unit, limits, "high", why)
    sure = (
        f"in {round(found.agreement * found.stretches)} of {found.stretches} stretches of 3 s (good clips 9 of 10, "
        f"chance 1 to 4); {found.above_chance:.1f} standard deviations above chance, {CLEAR:g} count as clear"
    )
    if found.stretches < ENOUGH and not (found.found and 100 * found.agreement >= limits.warn):
        why = f"too short to be sure: {sure}; look yourself whether lips and voice belong together"
        return not_measured(name, unit, limits, "high", why, "warn")
    record = gate(name, 100 * found.agreement, unit, limits, "high", "")
    if record.verdict == "pass" and not found.found:
        record.verdict = "warn"
    if record.verdict != "pass":
        record.advice = f"hand in the sound that was recorded with the picture, not a dubbed one: {sure}"
    return record


def sound_offset(survey: Survey, limits: Limits) -> GateRecord:
    """Milliseconds by which the sound is late (negative: early); judged without its sign, where it is clear enough."""
    name, unit = "sound offset", "ms"
    found = measure(survey)
    if found is None or not found.found:
        above = (
            "" if found is None else f" ({found.above_chance:.1f} standard deviations above chance, {CLEAR:g} needed)"
        )
        why = f"lips and sound do not go together clearly enough to tell an offset{above}"
        return not_measured(name, unit, limits, "low", why)
    late = 1000 * found.offset
    move = "earlier" if late > 0 else "later"
    advice = f"shift the sound {abs(late):.0f} ms {move}: what is out of step in the source is learned out of step"
    record = gate(name, abs(late), unit, limits, "low", advice)
    record.value = round(late, 1)
    if record.verdict == "fail" and found.stretches < ENOUGH:
        record.verdict = "warn"
        record.advice = (
            f"too short to be sure ({found.stretches} stretches of 3 s with speech, {ENOUGH} are proof): look yourself "
            f"whether the sound should be {abs(late):.0f} ms {move}"
        )
    return record


def measure(survey: Survey) -> LipSync | None:
    """Lips against sound over all that was read; computed once a survey."""
    return _measure(_Identity(survey))


class _Identity:
    """A survey as a key of a cache: itself and nothing that looks like it."""

    def __init__(self, survey: Survey):
        self.survey = survey

    def __hash__(self) -> int:
        return id(self.survey)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.survey is self.survey


@lru_cache(maxsize=1)
def _measure(key: _Identity) -> LipSync | None:
    survey = key.survey
    seconds = len(survey.sound) / 16000
    parts = [_mouth(part, survey.facts.video_start) for part in survey.stretches]
    parts = [(first, mouth) for first, mouth in parts if len(mouth)]
    if not parts:
        return None
    frames = max(round(seconds * FPS), max(first + len(mouth) for first, mouth in parts))
    mel = log_mel(survey.sound, frames)
    voiced = at_frames(survey.voice, frames, FPS) >= VOICE
    rows = [slice(first, first + len(mouth)) for first, mouth in parts]
    return lip_sync(
        np.concatenate([mouth for _, mouth in parts]),
        np.concatenate([mel[row] for row in rows]),
        np.concatenate([voiced[row] for row in rows]),
        np.repeat(np.arange(len(parts)), [len(mouth) for _, mouth in parts]),
    )


def _mouth(part: Stretch, origin: float) -> tuple[int, np.ndarray]:
    """Number of the first frame, at 25 a second, and the mouth's shape [N, 3] from there on, NaN where unseen."""
    times = part.times - origin
    seen = np.isfinite(part.mesh[:, 0, 0])
    if seen.sum() < 2:
        return 0, np.zeros((0, 3))
    first, last = int(np.ceil(times[0] * FPS - 1e-6)), int(np.floor(times[-1] * FPS + 1e-6))
    at = np.arange(first, last + 1) / FPS
    known, shape = times[seen], mouth_shape(part.mesh[seen])
    mouth = np.stack([np.interp(at, known, column) for column in shape.T], 1)
    right = np.clip(np.searchsorted(known, at), 1, len(known) - 1)
    far = (
        (known[right] - known[right - 1] > APART)
        & (np.abs(at - known[right]) > 1e-6)
        & (np.abs(at - known[right - 1]) > 1e-6)
    )
    outside = (at < known[0] - 1 / FPS) | (at > known[-1] + 1 / FPS)
    mouth[far | outside] = np.nan
    return first, mouth
