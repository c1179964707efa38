"""A synthesiser's clean speech as people's speech is recorded: in rooms, by other microphones, before noise.

A network that heard clean voices only is at a loss with a recording's.  Every condition is drawn by a seed.  Playing
speech faster or slower (Ko et al. 2015, "Audio augmentation for speech recognition") moves its formants too: a shorter
or longer throat.
"""

import numpy as np
from scipy.signal import fftconvolve, resample_poly

from models.visemes.phones import Phone
from tasks.artifacts.audio import SAMPLE_RATE
from tasks.teaching.espeak import Utterance

THROATS = (88, 115)  # percent of the length, for resample_poly's whole numbers
IN_A_ROOM, COLOURED = 0.6, 0.8  # shares of the recordings
ROOM_SECONDS = 0.35  # of a room's answer that are computed
REVERBERATION = (0.1, 0.5)  # s until it has fallen by 60 dB
ECHO_DB = (-30.0, -18.0)  # of the first of the room's answer against the voice
BANDS, BAND_DB = 6, 6.0  # gains of a microphone, evenly spaced in octaves above 500 Hz and below
LOW_CUT, HIGH_CUT = (20.0, 120.0), (4500.0, 8000.0)  # Hz
LEVEL_DB = (-8.0, 0.0)
HISS_DB = (-70.0, -38.0)


def throat(spoken: Utterance, rng: np.random.Generator) -> Utterance:
    """The utterance by a voice of other formants, pitch and speed; its phones keep to the sound."""
    percent = int(rng.integers(*THROATS))
    share = 100 / percent
    phones = [Phone(phone.name, share * phone.start, share * phone.stop) for phone in spoken.phones]
    return Utterance(resample_poly(spoken.samples, 100, percent).astype(np.float32), phones)


def recorded(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clean sound [T] at 16 kHz as a recording of it, float32 [T]: room, microphone, level, noise."""
    out = np.asarray(samples, np.float64)
    if rng.random() < IN_A_ROOM:
        out = _room(out, rng)
    if rng.random() < COLOURED:
        out = _microphone(out, rng)
    noise = rng.standard_normal(len(out))
    if rng.random() < 0.5:  # darker than white
        noise = np.convolve(noise, [0.5, 0.35, 0.25, 0.15, 0.1], "same")
    return (out * _gain(rng.uniform(*LEVEL_DB)) + _gain(rng.uniform(*HISS_DB)) * noise).astype(np.float32)


def _room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The voice, and noise that dies away exponentially for what the walls return (Polack's model)."""
    time = np.arange(round(ROOM_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    answer = (
        _gain(rng.uniform(*ECHO_DB)) * rng.standard_normal(len(time)) * 10 ** (-3 * time / rng.uniform(*REVERBERATION))
    )
    answer[0] = 1.0
    return fftconvolve(samples, answer)[: len(samples)]


def _microphone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gains over frequency without steps, less of the lowest and the highest."""
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    place = np.log2(1 + hertz / 500)
    gain = _gain(np.interp(place, np.linspace(0, place[-1], BANDS), rng.uniform(-BAND_DB, BAND_DB, BANDS)))
    gain /= np.sqrt(1 + (rng.uniform(*LOW_CUT) / np.maximum(hertz, 1.0)) ** 4)
    gain /= np.sqrt(1 + (hertz / rng.uniform(*HIGH_CUT)) ** 8)
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples))


def _gain(decibels: np.ndarray | float) -> np.ndarray:
    return 10 ** (np.asarray(decibels) / 20)
