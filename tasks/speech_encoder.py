"""The speech encoder that ``speech.encoder`` names, or that a trained ADF heard with."""

from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from models.speech.moonshine import MoonshineEncoder
from tasks.artifacts.layout import AssetFolder
from tasks.errors import BadInput, DamagedArtifact, MissingInput

EncoderKind = Literal["moonshine", "wav2vec2", "hubert"]


class SpeechEncoder(Protocol):
    """name: kind and hash.  Called with sound float32 [T] at 16 kHz it gives features float32 [T', C], whose centres in
    seconds are ``times(T')``."""

    name: str

    def __call__(self, samples: np.ndarray) -> np.ndarray: ...

    def times(self, count: int) -> np.ndarray: ...


def encoder_path(name: str, assets: AssetFolder) -> Path:
    """Where the encoder of this kind lies; ``name`` may be the whole name that an artifact says.

    Raises BadInput for a kind that this version does not know.
    """
    kind = name.partition(" ")[0]
    known = {"moonshine": assets.moonshine, "wav2vec2": assets.wav2vec2, "hubert": assets.hubert}
    if kind not in known:
        raise BadInput(f"no speech encoder {name!r} here: there are {', '.join(known)}")
    return known[kind]


@lru_cache(maxsize=1)
def open_encoder(path: Path) -> SpeechEncoder:
    """The encoder in a file (Moonshine) or a folder (wav2vec 2.0, HuBERT).

    Raises MissingInput, DamagedArtifact, or BadInput where a folder one has to get oneself is not there or not usable.
    """
    if path.is_dir():
        from tasks.artifacts.wave_encoder import read_wave_encoder  # loads torch, which Moonshine does without

        return read_wave_encoder(path)
    if not path.suffix:
        raise BadInput(f"the speech encoder in {path} is missing: 'erlnet doctor' says where to get it")
    try:
        return MoonshineEncoder(path.read_bytes())
    except FileNotFoundError:
        raise MissingInput(path, "erlnet assets fetch moonshine") from None
    except ValueError as error:
        raise DamagedArtifact(path, str(error)) from error
