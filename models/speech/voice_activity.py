"""Where in a recording somebody speaks: the Silero network (v6, MIT), whose weights ship in its wheel, run by
onnxruntime.

Only the file is taken from the package ``silero-vad`` 6.2.3: importing the package loads torch, which this does not
need.
"""

import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

SAMPLE_RATE = 16000
HOP = 512  # samples, 32 ms: one probability each
CONTEXT = 64  # samples before it that the network sees as well
BLOCK = 512  # probabilities computed in one call
VOICE = 0.5  # probability from which a stretch counts as voice
GROUP = "voice"  # name of the one speech feature that is this probability
NETWORK = "silero_vad_16k_sequence.onnx"


class VoiceActivity:
    """Probability of voice, 31.25 a second.  Raises ValueError where the network is not the expected one."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        path = _network()
        self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = [entry.name for entry in self._session.get_inputs()]
        if names != ["input", "h", "c"]:
            raise ValueError(f"{path.name} is not the expected network: its inputs are {names}")
        self.name = f"silero VAD {version('silero-vad')}"

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """float32 [ceil(T / HOP)] in 0..1 of sound float32 [T] at 16 kHz; value i is of samples from i HOP."""
        count = -(-len(samples) // HOP)
        padded = np.zeros(CONTEXT + count * HOP, np.float32)
        padded[CONTEXT : CONTEXT + len(samples)] = samples
        state = [np.zeros((1, 1, 128), np.float32)] * 2
        out = np.zeros(count, np.float32)
        for first in range(0, count, BLOCK):
            number = np.arange(first, min(first + BLOCK, count))
            rows = padded[number[:, None] * HOP + np.arange(CONTEXT + HOP)]
            out[number], *state = self._session.run(None, {"input": rows, "h": state[0], "c": state[1]})
        return out


def at_frames(probability: np.ndarray, frames: int, fps: float) -> np.ndarray:
    """``probability`` interpolated at the centres of video frames: float64 [frames]."""
    if not len(probability):
        return np.zeros(frames)
    centres = (np.arange(len(probability)) + 0.5) * HOP / SAMPLE_RATE
    return np.interp((np.arange(frames) + 0.5) / fps, centres, probability)


def _network() -> Path:
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("the package silero-vad is not installed")
    return Path(spec.submodule_search_locations[0]) / "data" / NETWORK
