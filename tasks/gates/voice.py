"""Gates on the sound: speech in it, noise behind it."""

import numpy as np

from models.speech.noise import signal_to_noise
from models.speech.voice_activity import HOP, SAMPLE_RATE, VOICE
from tasks.artifacts.subject import GateRecord
from tasks.gates.survey import Survey
from tasks.gates.verdict import Limits, gate, not_measured


def speech(survey: Survey, limits: Limits) -> GateRecord:
    """Seconds with a voice (of the first ten minutes)."""
    seconds = float(np.sum(survey.voice >= VOICE)) * HOP / SAMPLE_RATE
    advice = "let the person speak for a minute or more, close to the microphone: the voice is what moves the lips"
    return gate("speech", seconds, "s", limits, "high", advice)


def noise(survey: Survey, limits: Limits) -> GateRecord:
    """Power of the speech over that of what is heard in its pauses, dB."""
    ratio = signal_to_noise(survey.sound, survey.voice)
    if ratio is None:
        return not_measured("noise", "dB", limits, "high", "no speech was heard")
    advice = "record in a quieter room, closer to the microphone, without music: the noise would be learned as speech"
    return gate("noise", ratio, "dB", limits, "high", advice)
