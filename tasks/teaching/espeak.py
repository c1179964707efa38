"""The teacher's voices: eSpeak NG, a formant synthesiser that says when each phone begins.

eSpeak NG (GPL-3.0) comes as a shared library with its data in the package espeakng-loader; it is loaded only where a
prior is built.  Calls: the C interface of its ``speak_lib.h``.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from models.visemes.phones import SILENCE, Phone
from tasks.artifacts.audio import SAMPLE_RATE
from tasks.errors import StageFailed

NAME = "eSpeak NG"
PACKAGE = "espeakng-loader"

# Phoneme mnemonics of eSpeak NG's English voices, without stress marks, as ARPABET.
ARPABET = {
    "_": "SIL", "_:": "SIL", "_!": "SIL", "_|": "SIL", "|": "SIL", "?": "HH",
    "p": "P", "b": "B", "m": "M", "w": "W", "w#": "W", "f": "F", "v": "V", "T": "TH", "D": "DH",
    "t": "T", "t#": "D", "t2": "T", "t[": "T", "d": "D", "d#": "D", "d[": "D", "n": "N", "n-": "N",
    "m-": "M", "l": "L", "l#": "L", "l-": "L",
    "s": "S", "z": "Z", "S": "SH", "Z": "ZH", "tS": "CH", "dZ": "JH", "k": "K", "g": "G", "N": "NG", "h": "HH",
    "r": "R", "r-": "R", "j": "Y", ";": "Y",
    "I": "IH", "I2": "IH", "I#": "IH", "i": "IY", "i:": "IY", "E": "EH", "a": "AE", "aa": "AE", "a#": "AX",
    "@": "AX", "@2": "AX", "@-": "AX", "V": "AH", "0": "AA", "A:": "AA", "O:": "AO", "O2": "AO", "O": "AO",
    "U": "UH", "u:": "UW", "u": "UW", "3": "ER", "3:": "ER", "VR": "ER", "IR": "ER", "ER": "EH R",
    "aI": "AY", "aI2": "AY", "aU": "AW", "eI": "EY", "OI": "OY", "oU": "OW",
    "A@": "AA R", "O@": "AO R", "o@": "AO R", "U@": "UH R", "e@": "EH R", "i@": "IY AX", "i@3": "IY ER",
    "aI@": "AY AX", "aI3": "AY ER", "aU@": "AW AX", "@L": "AX L", "@5": "AX",
}  # fmt: skip
STRESS = "',%="
_CLOSURE = 0.12  # s; longest closure that is looked for before the release of a voiceless stop
_STOPS = ("P", "T", "K", "CH")

_PHONEME, _END = 7, 0  # event types
_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8 = 2, 1, 1
_RATE, _PITCH = 1, 3  # parameters


@dataclass(frozen=True)
class Voice:
    """name: accent, with a variant after '+'.  speed in words a minute (175 is usual), pitch 0 to 99 (50 is usual)."""

    name: str
    speed: int = 165
    pitch: int = 50


@dataclass
class Utterance:
    """samples: float32 [T], 16 kHz.  phones: without gaps from 0 to the end."""

    samples: np.ndarray
    phones: list[Phone]


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _Id),
    ]  # fmt: skip


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Synthesiser:
    """One process can hold one: the library keeps its state in globals.  The same calls in a fresh process give the
    same speech; a sentence said again in one process differs in its last bits.

    Raises StageFailed where the package or its library cannot be loaded.
    """

    def __init__(self) -> None:
        try:
            import espeakng_loader

            self._library = ctypes.CDLL(espeakng_loader.get_library_path())
            data = espeakng_loader.get_data_path()
        except (ImportError, OSError, RuntimeError) as error:
            raise StageFailed(
                f"the synthesiser cannot be loaded ({error}): python -m pip install {PACKAGE}, or set adf.prior: none"
            ) from error
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _PHONEME_EVENTS))
        if self.rate <= 0:
            raise StageFailed(f"{NAME} does not find its data at {data}: install {PACKAGE} again")
        # Breath and flutter are drawn; by the clock, unless told otherwise.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(0))

    def say(self, text: str, voice: Voice) -> Utterance:
        """Raises ValueError for a voice that there is not, or a phoneme without a place in ARPABET."""
        blocks: list[np.ndarray] = []
        marks: list[tuple[int, str]] = []

        def collect(samples: Any, count: int, events: Any) -> int:
            if count > 0 and samples:
                blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
            index = 0
            while events[index].type != _END:
                if events[index].type == _PHONEME:
                    marks.append((events[index].sample, events[index].id.string.decode()))
                index += 1
            return 0

        callback = _Callback(collect)
        library = self._library
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.name.encode()):
            raise ValueError(f"{NAME} has no voice {voice.name!r}")
        library.espeak_SetParameter(_RATE, voice.speed, 0)
        library.espeak_SetParameter(_PITCH, voice.pitch, 0)
        encoded = text.encode()
        library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _UTF8, None, None)
        if not blocks:
            raise ValueError(f"nothing to say in {text!r}")
        wave = np.concatenate(blocks)
        phones = to_phones(marks, wave, self.rate)
        samples = resample_poly(wave.astype(np.float32) / 32768, SAMPLE_RATE, self.rate)
        return Utterance(samples.astype(np.float32), phones)


def to_phones(marks: list[tuple[int, str]], wave: np.ndarray, rate: int) -> list[Phone]:
    """Marks (first sample, mnemonic) in ``wave`` at ``rate`` Hz -> ARPABET phones without gaps.

    The mark of a voiceless stop lies at its release: the digital silence before it is its closure, and becomes its
    beginning.  A mnemonic that stands for two phones shares its time equally.
    """
    starts, names = [0], [SILENCE]
    for sample, mnemonic in marks:
        bare = mnemonic.lstrip(STRESS)
        if bare not in ARPABET:
            raise ValueError(f"phoneme {mnemonic!r} of {NAME} has no place in ARPABET")
        name = ARPABET[bare]
        if name in _STOPS:
            sample = _closure(wave, sample, max(starts[-1] + 1, sample - round(_CLOSURE * rate)))
        starts.append(sample)
        names.append(name)
    phones = []
    for name, start, stop in zip(names, starts, [*starts[1:], len(wave)], strict=True):
        parts = name.split()
        edges = np.linspace(start, stop, len(parts) + 1) / rate
        phones += [Phone(part, a, b) for part, a, b in zip(parts, edges[:-1], edges[1:], strict=True) if b > a]
    return phones


def _closure(wave: np.ndarray, release: int, earliest: int) -> int:
    start = release
    while start > earliest and wave[start - 1] == 0:
        start -= 1
    return start
