"""Long sound in overlapping windows of one length: bounded memory, and the same features whatever the sound's length.

Encoders of speech were trained on utterances of seconds.  Given a minute at once, their features lose what they say
about the mouth, and every feature depends on all of the sound.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Framing:
    """How features lie on samples.

    hop: samples from one feature to the next; field: samples that the convolutions of one feature see; window: features
    of one window; step: features from one window to the next; rate: samples a second.
    """

    hop: int
    field: int
    window: int
    step: int
    rate: int = 16000

    def count(self, samples: int) -> int:
        """Number of features of ``samples`` samples (at least one)."""
        return max(1, (samples - self.field) // self.hop + 1)

    def times(self, count: int) -> np.ndarray:
        """Centres of the features' windows in seconds, float64 [count]."""
        return (np.arange(count) * self.hop + self.field / 2) / self.rate

    def starts(self, count: int) -> list[int]:
        """First feature of every window over ``count`` > window features; the last window ends at the last feature."""
        return [*range(0, count - self.window, self.step), count - self.window]


def encode_in_windows(encode: Callable[[np.ndarray], np.ndarray], samples: np.ndarray, framing: Framing) -> np.ndarray:
    """Features float32 [T', C] of sound [T]; windows are blended with a Hann weight, so there are no seams.

    encode: features [``framing.count``(t), C] of sound [t].  Sound shorter than one field is padded with silence.
    Raises ValueError for sound that is not one-dimensional.
    """
    samples = np.ascontiguousarray(samples, np.float32)
    if samples.ndim != 1:
        raise ValueError(f"expected mono samples [T], got shape {samples.shape}")
    if len(samples) < framing.field:
        samples = np.pad(samples, (0, framing.field - len(samples)))
    count = framing.count(len(samples))
    if count <= framing.window:
        return encode(samples)
    weight = np.hanning(framing.window + 2)[1:-1].astype(np.float32)[:, None]
    share = np.zeros((count, 1), np.float32)
    total = np.zeros((count, 0), np.float32)
    for start in framing.starts(count):
        first = start * framing.hop
        features = encode(samples[first : first + (framing.window - 1) * framing.hop + framing.field])
        if not total.size:
            total = np.zeros((count, features.shape[1]), np.float32)
        total[start : start + framing.window] += weight * features
        share[start : start + framing.window] += weight
    return total / share
