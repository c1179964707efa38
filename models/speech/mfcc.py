"""Mel-frequency cepstral coefficients as SyncNet was trained on: those of the Python package python_speech_features.

Davis & Mermelstein, "Comparison of parametric representations for monosyllabic word recognition" (IEEE TASSP 1980); the
details (rectangular windows of 25 ms every 10 ms, pre-emphasis 0.97, 26 filters on rounded bins of a 512-point
transform, liftering 22, the first coefficient replaced by the log energy) are the package's defaults.
"""

import numpy as np
from scipy.fft import dct

RATE = 16_000  # Hz
WINDOW, STEP = 400, 160  # samples
TRANSFORM, FILTERS, COEFFICIENTS, LIFTER = 512, 26, 13, 22


def mfcc(samples: np.ndarray) -> np.ndarray:
    """float64 [N, 13], 100 rows a second, of sound at 16 kHz in the scale of 16-bit integers (-32768..32767)."""
    sound = np.asarray(samples, np.float64)
    if not len(sound):
        return np.zeros((0, COEFFICIENTS))
    sound = np.concatenate([sound[:1], sound[1:] - 0.97 * sound[:-1]])
    count = 1 + max(0, -(-(len(sound) - WINDOW) // STEP))
    padded = np.zeros((count - 1) * STEP + WINDOW)
    padded[: len(sound)] = sound[: len(padded)]
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP]
    tiny = np.finfo(np.float64).eps
    out = np.empty((count, COEFFICIENTS))
    bank = _filters().T
    lift = 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
    for start in range(0, count, 1000):  # bounded memory
        power = np.abs(np.fft.rfft(frames[start : start + 1000], TRANSFORM)) ** 2 / TRANSFORM
        energy, bands = power.sum(1), power @ bank
        cepstrum = dct(np.log(np.where(bands == 0, tiny, bands)), axis=1, norm="ortho")[:, :COEFFICIENTS] * lift
        cepstrum[:, 0] = np.log(np.where(energy == 0, tiny, energy))
        out[start : start + 1000] = cepstrum
    return out


def _filters() -> np.ndarray:
    """[FILTERS, TRANSFORM / 2 + 1]: triangles that are evenly spread on the mel scale from 0 to 8 kHz."""
    highest = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, FILTERS + 2) / 2595) - 1)
    bins = np.floor((TRANSFORM + 1) * edges / RATE)
    index = np.arange(TRANSFORM // 2 + 1)
    low, middle, high = bins[:-2, None], bins[1:-1, None], bins[2:, None]
    # Rounded edges may fall together: such a side of a triangle is empty.
    rising = np.where((index >= low) & (index < middle), (index - low) / np.maximum(middle - low, 1), 0)
    falling = np.where((index >= middle) & (index < high), (high - index) / np.maximum(high - middle, 1), 0)
    return rising + falling
