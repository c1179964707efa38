"""``audio.wav``: 16 kHz mono 16-bit PCM, aligned with the first video frame."""

import wave
from pathlib import Path

import numpy as np

from tasks.artifacts.atomic import atomic_path
from tasks.errors import DamagedArtifact, MissingInput

SAMPLE_RATE = 16000


def write_audio(path: Path, samples: np.ndarray) -> None:
    """Write float samples [T] in -1..1 (clipped) atomically."""
    pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
    with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm.tobytes())


def read_audio(path: Path) -> np.ndarray:
    """Read the whole file as float32 [T] in -1..1.  Raises MissingInput or DamagedArtifact."""
    if not Path(path).exists():
        raise MissingInput(Path(path), "the crop stage")
    try:
        with wave.open(str(path), "rb") as file:
            layout = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            if layout != (1, 2, SAMPLE_RATE):
                raise DamagedArtifact(Path(path), f"channels, bytes, rate are {layout}, expected (1, 2, {SAMPLE_RATE})")
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    except (wave.Error, EOFError) as error:
        raise DamagedArtifact(Path(path), str(error) or "truncated") from error
    return pcm.astype(np.float32) / 32767.0
