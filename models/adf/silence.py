"""When nobody speaks, and how loud a recording is.

In the pauses of a sentence a mouth does not simply shut: it takes breath, stays on the last sound or prepares the next,
and what is heard tells some of that.  Only far from any voice, where a regression from sound has nothing to say and
answers with the average, half-open mouth, do the lips come to rest.
"""

import torch
from torch import Tensor, nn

from models.speech.voice_activity import VOICE

FADE = 8.0, 20.0  # frames from the nearest voice, over which the mouth comes to rest: 0.32 to 0.8 s
EVEN = 6.0  # dB between the quietest and loudest tenth, below which no voice is assumed where no probability is known
TOLERANCE = 6.0  # dB that a recording may be off the training sound's level
BESIDE = 3  # frames from voice at least, of pauses that show how a subject rests
MOST = 100_000  # frames that a level is judged by
FEW = 10  # frames of pauses below which they are not trusted


def frames_from_voice(voice: Tensor) -> Tensor:
    """How far [N] each frame is from the nearest one with voice (probability [N] of VOICE or more); inf without any."""
    index = torch.arange(len(voice), dtype=torch.float32)
    spoken = voice >= VOICE
    before = torch.where(spoken, index, -torch.inf).cummax(0).values
    after = torch.where(spoken, index, torch.inf).flip(0).cummin(0).values.flip(0)
    return torch.minimum(index - before, after - index)


def resting_frames(energy: Tensor, voice: Tensor | None, opening: Tensor | None) -> Tensor:
    """Rows of the frames that show a subject's resting mouth: the narrowest quarter of its pauses.

    energy, voice (its probability), opening of the mouth [N].  Where voice or opening are not known, or there are
    hardly any pauses, the quietest twentieth of all frames, at least five, stands for them.
    """
    if voice is not None and opening is not None:
        pauses = torch.nonzero(frames_from_voice(voice) >= BESIDE).flatten()
        if FEW <= len(pauses) < len(voice):
            return pauses[opening[pauses].argsort()[: max(5, len(pauses) // 4)]]
    return energy.argsort()[: max(5, len(energy) // 20)]


class Silence(nn.Module):
    """Levels in dBFS of a subject's training sound: ``quiet``, quieter than which it never was, ``loud``, its voice."""

    quiet: Tensor
    loud: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("quiet", torch.tensor(-60.0))
        self.register_buffer("loud", torch.tensor(-20.0))

    @torch.no_grad()
    def fit(self, energy: Tensor, voice: Tensor | None) -> None:
        """energy [N] of the training part; voice [N]: its probability, where it is known."""
        self.quiet.copy_(torch.quantile(energy, 0.01) - 6.0)
        self.loud.copy_(torch.quantile(_spoken(energy, voice), 0.95))

    def offset(self, energy: Tensor, voice: Tensor | None) -> Tensor:
        """What brings the voice of energy [N] to within TOLERANCE dB of the training sound's: a number.

        0 for less than a second, and without voice.  voice: its probability [N]; where that is not known, sound of
        less than -60 dBFS, or too even to be speech, counts as noise: as loud as a voice it would open the mouth.
        """
        if len(energy) < 25:
            return torch.zeros(())
        if voice is None:
            low, top = torch.quantile(energy[:MOST], torch.tensor([0.1, 0.95]))
            if float(top) < -60.0 or float(top - low) < EVEN:
                return torch.zeros(())
        elif bool((voice < VOICE).all()):
            return torch.zeros(())
        off = self.loud - torch.quantile(_spoken(energy, voice), 0.95)
        return off.sign() * (off.abs() - TOLERANCE).clamp_min(0.0)

    def stillness(self, energy: Tensor, voice: Tensor | None) -> Tensor:
        """0 (as in the training part) ... 1 (the mouth rests) [N], without steps: far from voice, or quieter than the
        training part ever was.

        energy [N]: brought to the training sound's level.  voice: its probability [N], where it is known.
        """
        quiet = torch.sigmoid((self.quiet - energy) / 1.5)
        padded = torch.nn.functional.pad(quiet[None, None], (3, 3), mode="replicate")
        still = torch.nn.functional.avg_pool1d(padded, 7, 1)[0, 0]
        if voice is None:
            return still
        far = ((frames_from_voice(voice) - FADE[0]) / (FADE[1] - FADE[0])).clamp(0.0, 1.0)
        return torch.maximum(still, far * far * (3.0 - 2.0 * far))


def _spoken(energy: Tensor, voice: Tensor | None) -> Tensor:
    """The frames with voice, the first MOST of them; all where it is not known, or there is none."""
    if voice is not None and bool((voice >= VOICE).any()):
        energy = energy[voice >= VOICE]
    return energy[:MOST]
