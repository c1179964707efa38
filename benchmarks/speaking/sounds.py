"""Sounds that nobody would choose: float32 [T] at 16 kHz, by name."""

import numpy as np
from scipy.signal import resample_poly

RATE = 16_000


def damaged(voice: np.ndarray) -> dict[str, np.ndarray]:
    """The same speech, worse."""
    loud = np.clip(voice / np.abs(voice).max() * 8.0, -1.0, 1.0)
    noise = np.random.default_rng(0).normal(size=len(voice)) * 10 ** (-10 / 20) * voice.std()
    return {
        "as recorded": voice,
        "8 kHz (telephone)": resample_poly(resample_poly(voice, 1, 2), 2, 1)[: len(voice)].astype(np.float32),
        "clipped, 8 times over full scale": loud.astype(np.float32),
        "40 dB quieter": (0.01 * voice).astype(np.float32),
        "white noise at 10 dB": (voice + noise).astype(np.float32),
    }


def not_speech(seconds: float = 10.0) -> dict[str, np.ndarray]:
    """Silence, noise, music made here (chords with a beat)."""
    t = np.arange(round(seconds * RATE)) / RATE
    rng = np.random.default_rng(1)
    chords = [(220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6), (164.8, 207.7, 246.9)]
    which = (t / 1.0).astype(int) % len(chords)
    tone = sum(
        np.sin(2 * np.pi * np.choose(which, [chord[k] for chord in chords]) * harmonic * t) / harmonic
        for k in range(3)
        for harmonic in (1, 2, 3)
    )
    beat = rng.normal(size=len(t)) * np.exp(-30 * (t % 0.5))
    return {
        "digital silence": np.zeros(len(t), np.float32),
        "room noise at -60 dBFS": (1e-3 * rng.normal(size=len(t))).astype(np.float32),
        "music (made: chords, a beat)": (0.05 * tone + 0.1 * beat).astype(np.float32),
    }
