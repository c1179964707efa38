"""Gates on the mouth: seen, closed at times, open at times."""

import numpy as np

from models.quality.face_pose import mouth_shape
from tasks.artifacts.subject import GateRecord
from tasks.gates.face import NO_FACE
from tasks.gates.survey import Survey
from tasks.gates.verdict import Limits, gate, not_measured

COVERED = 0.2  # share of the lips behind a hand from which the mouth counts as hidden
CLOSED, OPEN = 0.02, 0.08
"""Distance between the inner lips over the size of nose and eyes (models/quality/face_pose.py): about 1 and 4 mm."""


def mouth_hidden(survey: Survey, limits: Limits) -> GateRecord:
    """Percent of the pictures with a face in which a hand covers at least a fifth of the lips."""
    if not survey.covered:
        return not_measured("mouth hidden", "%", limits, "low", NO_FACE)
    share = float(np.mean(np.array(survey.covered) >= COVERED))
    advice = "keep hands, microphones and cups away from the mouth: what is before it would be learned as part of it"
    return gate("mouth hidden", 100 * share, "%", limits, "low", advice)


def mouth_closed(survey: Survey, limits: Limits) -> GateRecord:
    """Percent of the frames with a face in which the lips touch."""
    opening = _opening(survey)
    if not len(opening):
        return not_measured("mouth closed", "%", limits, "high", NO_FACE)
    advice = "begin and end with the mouth closed and pause between sentences: closed lips must be seen to be learned"
    return gate("mouth closed", 100 * float(np.mean(opening < CLOSED)), "%", limits, "high", advice)


def mouth_open(survey: Survey, limits: Limits) -> GateRecord:
    """Percent of the frames with a face in which the mouth is open."""
    opening = _opening(survey)
    if not len(opening):
        return not_measured("mouth open", "%", limits, "high", NO_FACE)
    advice = "speak clearly: open vowels and teeth must be seen to be learned"
    return gate("mouth open", 100 * float(np.mean(opening > OPEN)), "%", limits, "high", advice)


def _opening(survey: Survey) -> np.ndarray:
    openings = [mouth_shape(part.mesh)[:, 0] for part in survey.stretches if len(part.mesh)]
    values = np.concatenate(openings or [np.zeros(0)])
    return values[np.isfinite(values)]
