"""What sound is like at the instant of a video frame: spectrum, pitch, voicing.

Mel scale: O'Shaughnessy, "Speech Communication" (1987).  Pitch: the highest peak of the autocorrelation of a windowed
stretch over that of the window (Boersma 1993, "Accurate short-term analysis of the fundamental frequency").
"""

import numpy as np

SAMPLE_RATE = 16_000
MEL_BANDS, LOWEST, HIGHEST = 16, 60.0, 7600.0  # Hz
FLOOR = 1e-4  # power of a band (of 400 samples, full scale 1) that counts as nothing
PITCHES = 60.0, 400.0  # Hz, of human voices
REFERENCE = 100.0  # Hz of pitch 0
CHANNELS = (("mel", MEL_BANDS), ("melody", 2))
_STRETCH, _PITCH_STRETCH, _TRANSFORM = 400, 800, 512  # samples: 25 ms, 50 ms
_OFFSETS = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])  # seconds about the frame's centre, blended
_BLOCK = 1024  # video frames at a time, which bounds the memory
_HELD = 0.4, 0.8  # voicing from which on pitch begins to count, and counts fully


def acoustics(samples: np.ndarray, frames: int, fps: float) -> np.ndarray:
    """Sound float32 [T] at 16 kHz -> float32 [frames, 18]: 16 log mel powers, pitch, voicing.

    A row describes some 60 ms about the centre of its video frame; past the ends there is silence.  Pitch is in
    octaves above 100 Hz and drawn to 0 as voicing (0 noise ... 1 periodic) falls from 0.8 to 0.4.
    """
    out = np.zeros((frames, MEL_BANDS + 2), np.float32)
    bank = mel_bank(MEL_BANDS, _TRANSFORM)
    weight = np.exp(-0.5 * (_OFFSETS / 0.016) ** 2)
    weight /= weight.sum()
    for first in range(0, frames, _BLOCK):
        centres = (np.arange(first, min(first + _BLOCK, frames)) + 0.5) / fps
        for offset, share in zip(_OFFSETS, weight, strict=True):
            power = np.abs(np.fft.rfft(_stretches(samples, centres + offset, _STRETCH), _TRANSFORM)) ** 2
            out[first : first + len(centres), :MEL_BANDS] += share * np.log(power @ bank.T + FLOOR)
        frequency, voicing = pitch(_stretches(samples, centres, _PITCH_STRETCH))
        trust = np.clip((voicing - _HELD[0]) / (_HELD[1] - _HELD[0]), 0.0, 1.0)
        out[first : first + len(centres), MEL_BANDS] = trust * np.log2(frequency / REFERENCE)
        out[first : first + len(centres), MEL_BANDS + 1] = voicing
    return out


def mel_bank(bands: int, transform: int) -> np.ndarray:
    """Triangles [bands, transform // 2 + 1] over the power spectrum, evenly spaced in mel, LOWEST to HIGHEST."""
    lowest, highest = (2595 * np.log10(1 + f / 700) for f in (LOWEST, HIGHEST))
    edges = 700 * (10 ** (np.linspace(lowest, highest, bands + 2) / 2595) - 1)
    at = np.fft.rfftfreq(transform, 1 / SAMPLE_RATE)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.maximum(0.0, np.minimum((at - left) / (middle - left), (right - at) / (right - middle)))


def pitch(stretches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fundamental frequency [N] in Hz and voicing [N] in 0..1 of Hann-windowed stretches [N, samples]."""
    length = stretches.shape[1]
    window = np.hanning(length)
    lags = np.arange(int(SAMPLE_RATE / PITCHES[1]), int(SAMPLE_RATE / PITCHES[0]) + 1)

    def correlate(x: np.ndarray) -> np.ndarray:
        return np.fft.irfft(np.abs(np.fft.rfft(x, 2 * length)) ** 2)[..., :length]

    own = correlate(stretches - stretches.sum(-1, keepdims=True) * window / window.sum())
    shape = correlate(window)
    # The small constant keeps silence, where everything is rounding, unvoiced.
    heard = own[:, lags] / (own[:, :1] + 1e-6) / (shape[lags] / shape[0])
    # A period's multiples correlate as well as the period: the shortest lag wins unless a longer one is clearly better.
    best = np.argmax(heard - 0.05 * np.log2(lags / lags[0]), axis=-1)
    voicing = np.clip(heard[np.arange(len(best)), best], 0.0, 1.0)
    inner = np.clip(best, 1, len(lags) - 2)
    a, b, c = (heard[np.arange(len(best)), inner + k] for k in (-1, 0, 1))
    bend = a - 2 * b + c
    peak = np.where(bend < -1e-9, 0.5 * (a - c) / np.minimum(bend, -1e-9), 0.0)
    return SAMPLE_RATE / (lags[inner] + np.clip(peak, -0.5, 0.5)), voicing


def _stretches(samples: np.ndarray, centres: np.ndarray, length: int) -> np.ndarray:
    """Hann-windowed stretches [N, length] about times in seconds."""
    rows = np.round(centres * SAMPLE_RATE).astype(np.int64)[:, None] + np.arange(length) - length // 2
    inside = (rows >= 0) & (rows < len(samples))
    return np.where(inside, samples[np.clip(rows, 0, len(samples) - 1)], 0.0) * np.hanning(length)
