"""Gates on the face: size, in view, alone, turned."""

import numpy as np

from models.quality.face_pose import turn
from tasks.artifacts.subject import GateRecord
from tasks.gates.survey import Survey
from tasks.gates.verdict import Limits, gate, not_measured

NO_FACE = "no face was seen"


def face_size(survey: Survey, limits: Limits) -> GateRecord:
    """Median height of the main person's face, mid-forehead to chin, in pixels of the source."""
    heights = [faces.main for faces in survey.faces if faces.main is not None]
    if not heights:
        return not_measured("face size", "px", limits, "high", NO_FACE)
    advice = "film closer or with more pixels: eyes and lips are a handful of pixels"
    return gate("face size", float(np.median(heights)), "px", limits, "high", advice)


def face_in_view(survey: Survey, limits: Limits) -> GateRecord:
    """Percent of the frames and pictures looked at that show the main person's face: the lower of both
    shares."""
    frames = np.concatenate([np.isfinite(part.mesh[:, 0, 0]) for part in survey.stretches] or [np.zeros(0, bool)])
    shares = [float(np.mean([faces.main is not None for faces in survey.faces])) if survey.faces else 0.0]
    shares += [float(frames.mean())] if len(frames) else []
    advice = "cut the video to the part in which the face is seen, from the front and in full"
    return gate("face in view", 100 * min(shares), "%", limits, "high", advice)


def other_faces(survey: Survey, limits: Limits) -> GateRecord:
    """Percent of the pictures with another face at least 0.4 times as high as the main person's.

    Fails at any number where a second person is about as large and long in the picture: the crop would not choose.
    """
    if all(faces.main is None for faces in survey.faces):
        return not_measured("other faces", "%", limits, "low", NO_FACE)
    share = float(np.mean([bool(faces.others) for faces in survey.faces]))
    advice = "film one person alone: which of the faces speaks cannot be told"
    record = gate("other faces", 100 * share, "%", limits, "low", advice)
    if survey.equals:
        record.verdict = "fail"
        record.advice = "two people are about equally large and long in the picture: crop it to the one who speaks"
    return record


def head_turn(survey: Survey, limits: Limits) -> GateRecord:
    """Degrees to the side that the face is turned by at most, leaving out the outermost 2 % of the frames."""
    angles = np.concatenate([turn(part.mesh) for part in survey.stretches] or [np.zeros(0)])
    angles = angles[np.isfinite(angles)]
    if not len(angles):
        return not_measured("head turn", "degrees", limits, "low", NO_FACE)
    advice = "look towards the camera: half of a mouth in profile is hidden"
    return gate("head turn", float(np.quantile(np.abs(angles), 0.98)), "degrees", limits, "low", advice)
