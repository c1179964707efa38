"""How far speech stands above what is heard when nobody speaks."""

import numpy as np

from models.speech.voice_activity import HOP, VOICE

QUIET = 0.1  # probability of voice below which a stretch can be noise
MARGIN = 4  # stretches of 32 ms between voice and what counts as noise: reverberation, breath
FEWEST = 12  # stretches of noise (0.4 s) that make a measurement
FLOOR = 1e-10  # power of what is taken for digital silence, -100 dBFS
MOST = 60.0  # dB: more is not told apart


def signal_to_noise(samples: np.ndarray, probability: np.ndarray) -> float | None:
    """Power of speech over power of noise in dB, of sound float32 [T] at 16 kHz and its VoiceActivity [T / HOP].

    The power of the stretches with voice, less that of the noise, over the noise's; noise is what lies well away from
    any voice.  Where a clip has no such pauses the quietest twentieth of the stretches with voice stands in for it,
    which holds some voice, so that the figure is then too low rather than too high.  None without voice; 60 dB at
    most.
    """
    count = min(len(probability), len(samples) // HOP)
    power = np.square(samples[: count * HOP].reshape(count, HOP), dtype=np.float64).mean(1)
    voice = probability[:count] >= VOICE
    if not voice.any():
        return None
    spoken = float(power[voice].mean())
    near = np.convolve(probability[:count] >= QUIET, np.ones(2 * MARGIN + 1), "same") > 0
    noise = power[~near]
    level = float(noise.mean()) if len(noise) >= FEWEST else float(np.quantile(power[voice], 0.05))
    level = max(level, FLOOR)
    return float(np.clip(10 * np.log10(max(spoken - level, FLOOR) / level), -MOST, MOST))
