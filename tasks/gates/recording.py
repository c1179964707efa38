"""Gates on the recording as a whole: duration, frame rate, cuts."""

import numpy as np

from models.quality.cuts import changes_of_scene, cuts_between_frames
from tasks.artifacts.subject import GateRecord
from tasks.gates.survey import Survey
from tasks.gates.verdict import Limits, gate


def duration(survey: Survey, limits: Limits) -> GateRecord:
    """Seconds of video."""
    advice = "film more: one to five minutes of speech show all sounds and leave something to test on"
    return gate("duration", survey.duration, "s", limits, "high", advice)


def frame_rate(survey: Survey, limits: Limits) -> GateRecord:
    """Mean frames a second, by what was decoded rather than by the header."""
    frames = sum(len(part.times) - 1 for part in survey.stretches if len(part.times) > 1)
    seconds = sum(float(np.ptp(part.times)) for part in survey.stretches if len(part.times) > 1)
    rate = min(frames / seconds, survey.facts.fps) if seconds > 0 and survey.facts.fps < 25 else survey.facts.fps
    advice = "film at 25 frames a second or more: lips move too fast for fewer"
    return gate("frame rate", rate, "frames/s", limits, "high", advice)


def cuts(survey: Survey, limits: Limits) -> GateRecord:
    """Cuts between neighbouring frames of what was read, or changes of scene between the pictures spread over all."""
    found = [
        float(part.times[i] - survey.facts.video_start)
        for part in survey.stretches
        for i in cuts_between_frames(part.thumbnails)
    ]
    changes = changes_of_scene(np.array(survey.scenes)) if survey.scenes else 0
    where = f" (at {', '.join(f'{time:.1f}' for time in found[:4])} s)" if found else ""
    advice = f"hand in one uninterrupted take{where}: across a cut head and light jump, and the tracker with them"
    return gate("cuts", max(len(found), changes), "", limits, "low", advice)
