"""When the mouth rests, and what a recording's level changes, against a plain search and constructed sounds."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.adf.silence import FADE, Silence, frames_from_voice, resting_frames


def fitted() -> Silence:
    silence = Silence()
    energy = torch.cat([torch.linspace(-35.0, -15.0, 300), torch.linspace(-50.0, -45.0, 60)])
    silence.fit(energy, torch.cat([torch.ones(300), torch.zeros(60)]))
    return silence


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_distance_from_voice_is_that_of_a_search(spoken: list[bool]) -> None:
    found = frames_from_voice(torch.tensor(spoken, dtype=torch.float32)).tolist()
    voiced = [place for place, is_voice in enumerate(spoken) if is_voice]
    assert found == [min((abs(k - place) for place in voiced), default=float("inf")) for k in range(len(spoken))]


def test_the_mouth_rests_far_from_voice_and_opens_before_it() -> None:
    silence = fitted()
    voice = torch.cat([torch.ones(20), torch.zeros(60), torch.ones(20), torch.zeros(12), torch.ones(20)])
    still = silence.stillness(torch.full((len(voice),), -20.0), voice)
    assert float(still[20 + int(FADE[1]) : 80 - int(FADE[1])].min()) == 1.0
    assert float(still[80 - int(FADE[0]) :].max()) < 1e-6  # a short pause is left to what was learned of pauses
    assert float(still.diff().abs().max()) < 0.15  # no jump
    assert torch.allclose(still[20:80], still[20:80].flip(0))
    assert float(silence.stillness(torch.full((50,), -20.0), torch.zeros(50)).min()) == 1.0  # music, say


def test_digital_silence_between_two_words_is_no_speech_either() -> None:
    silence, energy = fitted(), torch.full((60,), -25.0)
    energy[20:40] = -100.0
    for voice in (None, torch.ones(60)):
        still = silence.stillness(energy, voice)
        assert float(still[25:35].min()) > 0.99
        assert float(still[:15].max()) < 0.01
        assert float(still.diff().abs().max()) < 0.2


@pytest.mark.parametrize("change", [-60.0, -40.0, 30.0])
def test_a_quiet_recording_of_a_voice_is_no_silence(change: float) -> None:
    silence = fitted()
    voice = torch.cat([torch.ones(300), torch.zeros(60)])
    energy = torch.cat([torch.linspace(-35.0, -15.0, 300), torch.linspace(-50.0, -45.0, 60)])
    assert float(silence.offset(energy, voice)) == 0.0
    levelled = energy + change + silence.offset(energy + change, voice)
    assert float((levelled - energy).abs().max()) < 6.01
    assert float(silence.stillness(levelled, voice)[:290].max()) < 0.3


def test_without_voice_a_level_stays_what_it_is() -> None:
    silence = fitted()
    noise = -70.0 + 10.0 * torch.rand(200, generator=torch.Generator().manual_seed(0))
    assert float(silence.offset(noise, torch.zeros(200))) == 0.0
    # Where nobody says how likely a voice is, the level alone decides.
    for sound in (torch.full((50,), -100.0), -55.0 + torch.rand(120), torch.linspace(-90.0, -61.0, 100)):
        assert float(silence.offset(sound, None)) == 0.0
    assert float(silence.offset(torch.linspace(-59.0, -40.0, 100), None)) > 10.0
    assert float(silence.offset(torch.full((24,), -40.0), torch.ones(24))) == 0.0  # too short to judge


def test_rest_is_the_narrowest_quarter_of_the_pauses() -> None:
    voice, energy, opening = torch.ones(200), torch.linspace(-20.0, -40.0, 200), torch.full((200,), 5.0)
    voice[50:96] = 0.0
    opening[60:70] = 1.0
    opening[10:20] = 0.0  # lips closed in speech are no rest
    assert sorted(resting_frames(energy, voice, opening).tolist()) == list(range(60, 70))
    quietest = list(range(190, 200))
    assert sorted(resting_frames(energy, torch.ones(200), opening).tolist()) == quietest
    assert sorted(resting_frames(energy, None, opening).tolist()) == quietest
    assert sorted(resting_frames(energy, voice, None).tolist()) == quietest
