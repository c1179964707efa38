"""The synthesiser and its phone times."""

import subprocess
import sys

import numpy as np
import pytest

from models.visemes.phones import DIPHTHONGS, VISEME_OF, Phone
from tasks.artifacts.audio import SAMPLE_RATE
from tasks.prior import UNHEARD, VOICES
from tasks.teaching.espeak import ARPABET, Synthesiser, Voice, to_phones
from tasks.teaching.sentences import sentences
from tasks.teaching.teacher import emphasis, lesson


@pytest.fixture(scope="module")
def synthesiser() -> Synthesiser:
    return Synthesiser()


def test_every_mnemonic_becomes_phones_with_visemes() -> None:
    assert {phone for names in ARPABET.values() for phone in names.split()} <= {*VISEME_OF, *DIPHTHONGS}


def test_marks_become_phones_without_gaps() -> None:
    """A stop begins with the digital silence before its release; 'A@' is two phones."""
    wave = np.ones(1000, np.int16)
    wave[260:300] = 0
    made = to_phones([(0, "'A@"), (300, "p"), (400, "_:")], wave, 1000)
    assert made == [
        Phone("AA", 0.0, 0.13), Phone("R", 0.13, 0.26), Phone("P", 0.26, 0.4), Phone("SIL", 0.4, 1.0)
    ]  # fmt: skip


def test_an_unknown_mnemonic_is_named() -> None:
    with pytest.raises(ValueError, match="q!"):
        to_phones([(0, "q!")], np.ones(10, np.int16), 1000)


def test_closures_are_quiet_and_vowels_are_loud(synthesiser: Synthesiser) -> None:
    """The phone times belong to the sound: a p's closure is far below the vowels round it."""
    said = synthesiser.say("A happy puppy, a copper pepper.", Voice("en-us"))
    assert said.samples.dtype == np.float32
    assert said.phones[0].start == 0
    assert said.phones[-1].stop == pytest.approx(len(said.samples) / SAMPLE_RATE, abs=1e-3)

    def level(phone: Phone, first: float, last: float) -> float:
        a, b = (phone.start + share * (phone.stop - phone.start) for share in (first, last))
        return float(np.sqrt(np.mean(said.samples[int(a * SAMPLE_RATE) : int(b * SAMPLE_RATE)] ** 2)))

    closures = [level(phone, 0.1, 0.35) for phone in said.phones if phone.name == "P"]
    vowels = [level(phone, 0.25, 0.75) for phone in said.phones if phone.name in ("AE", "IY", "AH", "AA", "EH")]
    assert len(closures) == 6
    assert max(closures) < 0.2 * np.median(vowels)


@pytest.mark.parametrize("voice", [*VOICES, *UNHEARD], ids=lambda voice: voice.name)
def test_every_voice_says_the_sentences(synthesiser: Synthesiser, voice: Voice) -> None:
    for text in sentences(6, 3):
        assert len(synthesiser.say(text, voice).phones) > 8


def test_no_voice_of_that_name(synthesiser: Synthesiser) -> None:
    with pytest.raises(ValueError, match="nobody"):
        synthesiser.say("Hello.", Voice("nobody"))


def test_phones_cover_a_lesson(synthesiser: Synthesiser) -> None:
    made = lesson(synthesiser, Voice("en-us+f2"), 3, 5)
    starts, stops = zip(*((phone.start, phone.stop) for phone in made.phones), strict=True)
    assert starts[1:] == pytest.approx(stops[:-1])
    assert stops[-1] == pytest.approx(len(made.samples) / SAMPLE_RATE)


def test_a_program_that_runs_twice_hears_the_same() -> None:
    """Within one process the synthesiser goes on where it was; a fresh process begins anew."""
    program = (
        "import hashlib; from tasks.teaching.espeak import Synthesiser, Voice; "
        "from tasks.teaching.teacher import lesson; "
        "print(hashlib.sha256(lesson(Synthesiser(), Voice('en-us+f2'), 2, 5).samples.tobytes()).hexdigest())"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert len(first) == 65
    assert first == second


def test_louder_syllables_open_the_jaw_wider() -> None:
    energy = np.full(100, -20.0)
    energy[40:60] = -14.0
    energy[80:] = -60.0
    factor = emphasis(energy)
    assert factor[20] == pytest.approx(1.0, abs=0.01)
    assert factor[50] == pytest.approx(1 + 0.06 * 6, abs=0.01)
    assert factor[-1] == pytest.approx(0.4)
