"""Phones of English (ARPABET, as pronouncing dictionaries and pocketsphinx write them) and their visemes."""

from dataclasses import dataclass

SILENCE = "SIL"

# Phones that look alike share a viseme (after the groups of Fisher 1968, "Confusions among visually perceived
# consonants", finer for vowels because jaw and rounding tell those apart).
VISEME_OF = {
    SILENCE: "rest",
    "P": "closed", "B": "closed", "M": "closed",
    "F": "lip_teeth", "V": "lip_teeth",
    "TH": "tongue_teeth", "DH": "tongue_teeth",
    "T": "tongue_tip", "D": "tongue_tip", "N": "tongue_tip",
    "L": "lateral",
    "S": "sibilant", "Z": "sibilant",
    "SH": "rounded_sibilant", "ZH": "rounded_sibilant", "CH": "rounded_sibilant", "JH": "rounded_sibilant",
    "K": "back", "G": "back", "NG": "back", "HH": "breath",
    "R": "rhotic", "ER": "rhotic_vowel",
    "W": "rounded_glide", "Y": "spread_glide",
    "AA": "open", "AE": "open_spread", "AO": "open_rounded", "AH": "mid_open", "AX": "neutral_vowel",
    "EH": "mid_spread", "IH": "near_close", "IY": "close_spread",
    "UH": "near_close_rounded", "UW": "close_rounded", "OH": "mid_rounded",
}  # fmt: skip

DIPHTHONGS = {
    "AY": ("AA", "IH"), "AW": ("AA", "UH"), "EY": ("EH", "IY"), "OY": ("AO", "IH"), "OW": ("OH", "UH"),
}  # fmt: skip
FIRST_SHARE = 0.6  # of a diphthong's time for its first part

BILABIAL = ("P", "B", "M")
LIPS = (*BILABIAL, "F", "V", "W")  # made with the lips near each other
OPEN_VOWELS = ("AA", "AE", "AO", "AW", "AY")


@dataclass(frozen=True)
class Phone:
    """One phone of an utterance: ARPABET ``name`` without stress, from ``start`` to ``stop`` in seconds."""

    name: str
    start: float
    stop: float


def split_diphthongs(phones: list[Phone]) -> list[Phone]:
    """Every diphthong as its two vowels.  Raises ValueError for a phone that has no viseme or no duration."""
    parts = []
    for phone in phones:
        if not phone.stop > phone.start:
            raise ValueError(f"phone {phone.name} lasts from {phone.start} to {phone.stop} s")
        if phone.name in DIPHTHONGS:
            first, second = DIPHTHONGS[phone.name]
            turn = phone.start + FIRST_SHARE * (phone.stop - phone.start)
            parts += [Phone(first, phone.start, turn), Phone(second, turn, phone.stop)]
        elif phone.name in VISEME_OF:
            parts.append(phone)
        else:
            raise ValueError(f"no viseme for the phone {phone.name!r}")
    return parts
