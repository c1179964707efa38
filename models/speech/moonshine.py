"""Speech features: the encoder of Moonshine tiny, run by onnxruntime.

Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands" (2024).  Three
convolutions (window 127 stride 64, 7 by 3, 3 by 2) turn 16 kHz samples into 288 channels every 384 samples, then
transformer layers look at all of them.

The network was trained on utterances of seconds.  Given a minute at once its features lose what they say about the
mouth (correlation of a ridge regression with mouth opening on a held-out part: 0.53, against 0.68 with windows
of 4 s), and its first normalisation makes every feature depend on all of the sound.  So long sound is read in
overlapping windows (models/speech/windows.py).

The packaged network computes in 8-bit integers: a change of the samples of one part in a million already moves the
features by about 2 % (a change of a tenth by 4 %), because roundings flip.
"""

import hashlib
from typing import Any

import numpy as np

from models.speech.windows import Framing, encode_in_windows

CHANNELS = 288
FRAMING = Framing(hop=384, field=895, window=167, step=42)  # 4.0 s, about every second


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
        """Features float32 [T', 288] of sound float32 [T] at 16 kHz; T' = ``FRAMING.count(T)`` >= 1.

        Feature i describes the sound round ``times``(T')[i].  Sound shorter than one window of the convolutions is
        padded with silence.
        """
        return encode_in_windows(self._encode, samples, FRAMING)

    def times(self, count: int) -> np.ndarray:
        """Centres of the features' windows in seconds, float64 [count]."""
        return FRAMING.times(count)

    def _encode(self, samples: np.ndarray) -> np.ndarray:
        mask = np.ones((1, len(samples)), np.int64)
        return self._session.run(None, {"input_values": samples[None], "attention_mask": mask})[0][0]
