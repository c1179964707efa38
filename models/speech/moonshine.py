"""Speech features: the encoder of Moonshine tiny, run by onnxruntime.

Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands" (2024).  Three
convolutions (window 127 stride 64, 7 by 3, 3 by 2) turn 16 kHz samples into 288 channels every 384 samples, then
transformer layers look at all of them.

The network was trained on utterances of seconds.  Given a minute at once its features lose what they say about the
mouth (correlation of a ridge regression with mouth opening on a held-out part: 0.53, against 0.68 with windows
of 4 s), and its first normalisation makes every feature depend on all of the sound.  So long sound is read in
overlapping windows of one length, whose features are blended with a Hann weight: no seams, bounded memory, and
the same features in training and in use whatever the length of the sound.

The packaged network computes in 8-bit integers: a change of the samples of one part in a million already moves the
features by about 2 % (a change of a tenth by 4 %), because roundings flip.
"""

import hashlib
from typing import Any

import numpy as np

SAMPLE_RATE = 16000
HOP = 384  # samples from one feature to the next
FIELD = 895  # samples that the convolutions of one feature see
CHANNELS = 288
WINDOW = 167  # features of one window, 4.0 s
STEP = 42  # features from one window to the next, about a quarter


class MoonshineEncoder:
    """The encoder, from the bytes of ``encoder_model.ort``.

    One thread and a fixed order of work: the same samples give the same features on the same machine.
    Raises ValueError where the bytes are not such a network.
    """

    def __init__(self, network: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors have no common base
            raise ValueError(f"not a network that onnxruntime can load: {str(error).splitlines()[0]}") from error
        names = [entry.name for entry in self._session.get_inputs()]
        if names != ["input_values", "attention_mask"]:
            raise ValueError(f"not the Moonshine encoder: its inputs are {names}")
        self.name = f"moonshine tiny-en encoder {hashlib.sha256(network).hexdigest()}"

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Features float32 [T', 288] of sound float32 [T] at 16 kHz; T' = ``feature_count(T)`` >= 1.

        Feature i describes the sound round ``feature_times``[i].  Sound shorter than one window of the
        convolutions is padded with silence.
        """
        samples = np.ascontiguousarray(samples, np.float32)
        if samples.ndim != 1:
            raise ValueError(f"expected mono samples [T], got shape {samples.shape}")
        if len(samples) < FIELD:
            samples = np.pad(samples, (0, FIELD - len(samples)))
        count = feature_count(len(samples))
        if count <= WINDOW:
            return self._encode(samples)
        weight = np.hanning(WINDOW + 2)[1:-1].astype(np.float32)[:, None]
        total = np.zeros((count, CHANNELS), np.float32)
        share = np.zeros((count, 1), np.float32)
        for start in window_starts(count):
            first = start * HOP
            features = self._encode(samples[first : first + (WINDOW - 1) * HOP + FIELD])
            total[start : start + WINDOW] += weight * features
            share[start : start + WINDOW] += weight
        return total / share

    def _encode(self, samples: np.ndarray) -> np.ndarray:
        mask = np.ones((1, len(samples)), np.int64)
        return self._session.run(None, {"input_values": samples[None], "attention_mask": mask})[0][0]


def feature_count(samples: int) -> int:
    """Number of features of ``samples`` samples (at least one)."""
    return max(1, (samples - FIELD) // HOP + 1)


def feature_times(count: int) -> np.ndarray:
    """Centres of the features' windows in seconds, float64 [count]."""
    return (np.arange(count) * HOP + FIELD / 2) / SAMPLE_RATE


def window_starts(count: int) -> list[int]:
    """First feature of every window over ``count`` > WINDOW features; the last window ends at the last feature."""
    starts = list(range(0, count - WINDOW, STEP))
    return [*starts, count - WINDOW]
