"""Gates on the picture: camera motion, blur, exposure."""

import numpy as np

from tasks.artifacts.subject import GateRecord
from tasks.gates.face import NO_FACE
from tasks.gates.survey import Survey
from tasks.gates.verdict import Limits, gate, not_measured


def camera_motion(survey: Survey, limits: Limits) -> GateRecord:
    """How far the background is displaced within a stretch, in percent of the picture's long side (95th percentile)."""
    if len(survey.shifts) < 3:
        why = "too little background with something to follow is seen beside the person"
        return not_measured("camera motion", "%", limits, "low", why)
    advice = "put the camera on a tripod and have nothing moving behind the person: the background is learned as still"
    return gate("camera motion", 100 * float(np.quantile(survey.shifts, 0.95)), "%", limits, "low", advice)


def blur(survey: Survey, limits: Limits) -> GateRecord:
    """Radius (standard deviation) of the face's blur in percent of its height, median."""
    if not survey.blur:
        return not_measured("blur", "%", limits, "low", NO_FACE)
    advice = "focus on the eyes, light the face more, compress less: a portrait is never sharper than its source"
    return gate("blur", 100 * float(np.median(survey.blur)), "%", limits, "low", advice)


def exposure(survey: Survey, limits: Limits) -> GateRecord:
    """Percent of the face's pixels that are black or burnt out, median."""
    if not survey.lost:
        return not_measured("exposure", "%", limits, "low", NO_FACE)
    advice = "light the face evenly and set the exposure by it: black and burnt-out skin has no detail to learn"
    return gate("exposure", 100 * float(np.median(survey.lost)), "%", limits, "low", advice)
