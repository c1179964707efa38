"""What a mouth usually does for a sound: learned once from many voices, the starting point of one person's ADF.

``MouthPrior`` hears any voice and gives the expression branch in FLAME's own units.  ``PersonalPrior`` fits it to one
person with two numbers (how large, how early), which seconds of video can settle; what it then misses is left to the
skip path and the codes.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.adf.config import PriorConfig, SpeechGroup
from models.adf.motion import EYES, JAW, MotionBasis
from models.adf.speech import SpeechFront

REACH = 12  # frames on either side that matter: the convolutions see 10, closures are compared over PEAK more
PIECE = 3000  # frames at a time: an hour of sound must not cost memory
FADE = 0.03  # radians of jaw over which the seal fades
PEAK, MARGIN = 2, 1.0  # a closure's frames are within MARGIN of the highest logit of PEAK frames on either side
NEVER = 1e4  # threshold of a network that was not taught closures
FIRMNESS = 6.0  # per unit of the closure's logit: how suddenly lips go from free to shut at the threshold
LEADS = (-1, 0, 1, 2, 3)  # frames by which a person's mouth may be earlier than the prior's


class MouthPrior(nn.Module):
    """Speech encoder features [N, C] and energy [N] -> expression branch [N, E + 9]; convolutions over +-10 frames.

    Not causal, and without codes: what it predicts becomes the mean about which the person's own latent space works.
    The least squares of training average over what the sound leaves open, so that quick closures stay a little open.
    Therefore the network also says how likely it is that the lips are together for a consonant, and where that logit is
    above ``threshold`` and at a peak the motion goes to ``shut`` [E + 9], the mouth of such a consonant.  Peaks keep a
    low threshold from swallowing the vowel between two of them.  ``seal``, in radians, is taken off a jaw that is
    hardly open, and less off a wider one: it closes what the logit is not sure of.
    """

    shut: Tensor
    threshold: Tensor
    seal: Tensor

    def __init__(self, config: PriorConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.front = SpeechFront((SpeechGroup("encoder", config.features, config.components),))
        self.basis = MotionBasis(config.channels, config.motion)
        self.net = nn.Sequential(
            nn.Conv1d(self.front.channels, width, 5, padding=2),
            nn.GELU(),
            nn.Conv1d(width, width, 5, padding=4, dilation=2),
            nn.GELU(),
            nn.Conv1d(width, width, 5, padding=4, dilation=2),
            nn.GELU(),
            nn.Conv1d(width, config.motion + 1, 1),
        )
        self.register_buffer("shut", torch.zeros(config.channels))
        self.register_buffer("threshold", torch.tensor(NEVER))
        self.register_buffer("seal", torch.zeros(()))

    def predict(self, heard: Tensor) -> tuple[Tensor, Tensor]:
        """heard [B, N, S] of ``front`` -> motion [B, N, motion] in the basis's coordinates, closure's logit [B, N]."""
        made = self.net(heard.transpose(1, 2)).transpose(1, 2)
        return made[..., :-1], made[..., -1]

    @torch.no_grad()
    def parts(self, features: Tensor, energy: Tensor) -> tuple[Tensor, Tensor]:
        """features [N, C], energy [N] -> expression branch [N, E + 9] before lips are shut, closure's logit [N].

        Further groups of features after the encoder's are not heard.
        """
        heard = self.front(features[:, : self.config.features], energy)
        motions, logits = [], []
        for start in range(0, len(heard), PIECE):
            first, stop = max(start - REACH, 0), start + PIECE
            motion, logit = self.predict(heard[None, first : stop + REACH])
            motions.append(motion[0, start - first : stop - first])
            logits.append(logit[0, start - first : stop - first])
        return self.basis.inverse(torch.cat(motions)), torch.cat(logits)

    def closure(self, logit: Tensor) -> Tensor:
        """How far lips are shut [N], 0 to 1, for the closure's logit [N] of neighbouring frames."""
        peak = F.max_pool1d(logit[None, None], 2 * PEAK + 1, 1, PEAK)[0, 0]
        return torch.sigmoid(FIRMNESS * (logit - torch.maximum(self.threshold, peak - MARGIN)))

    @torch.no_grad()
    def forward(self, features: Tensor, energy: Tensor) -> Tensor:
        branch, logit = self.parts(features, energy)
        branch = branch + self.closure(logit)[:, None] * (self.shut - branch)
        jaw = branch[:, -(JAW + EYES)]
        sealed = (jaw - self.seal * torch.exp(-jaw / FADE)).clamp_min(0.0)
        branch[:, -(JAW + EYES)] = torch.where(jaw > 0, sealed, jaw)
        return branch


@dataclass(frozen=True)
class Fit:
    """How a prior was fitted to a person.  explained: share of the person's squared motion."""

    lead: int
    gain: float
    explained: float


class PersonalPrior(nn.Module):
    """A prior as one person's mean: gain * (motion, ``lead`` frames earlier, about its own mean)."""

    lead: Tensor
    gain: Tensor
    centre: Tensor

    def __init__(self, config: PriorConfig):
        super().__init__()
        self.general = MouthPrior(config)
        self.register_buffer("lead", torch.zeros((), dtype=torch.int64))
        self.register_buffer("gain", torch.zeros(()))
        self.register_buffer("centre", torch.zeros(config.channels))

    @torch.no_grad()
    def fit(self, runs: list[tuple[Tensor, Tensor, Tensor]], basis: MotionBasis) -> Fit:
        """runs: (features, energy, expression branch) of uninterrupted frames; least squares in ``basis``."""
        said = [self.general(features, energy) for features, energy, _ in runs]
        self.centre.copy_(torch.cat(said).mean(0))
        real = torch.cat([basis(expression) for _, _, expression in runs])
        real = real - real.mean(0)
        best = Fit(0, 0.0, 0.0)
        for lead in LEADS:
            guess = torch.cat([_earlier(part - self.centre, lead) for part in said]) @ basis.analysis
            power = float(guess.square().sum())
            gain = max(float((guess * real).sum()) / (power + 1e-9), 0.0)
            missed = float((real - gain * guess).square().sum()) / max(float(real.square().sum()), 1e-9)
            if 1 - missed > best.explained:
                best = Fit(lead, gain, 1 - missed)
        self.lead.fill_(best.lead)
        self.gain.fill_(best.gain)
        return best

    @torch.no_grad()
    def closure(self, features: Tensor, energy: Tensor) -> Tensor:
        """How far this person's lips are shut for m, b, p [N], 0 to 1, by the prior and the fitted lead."""
        return _earlier(self.general.closure(self.general.parts(features, energy)[1]), int(self.lead))

    @torch.no_grad()
    def forward(self, features: Tensor, energy: Tensor, basis: MotionBasis) -> Tensor:
        """Motion [N, components] of ``basis``, about zero."""
        said = _earlier(self.general(features, energy) - self.centre, int(self.lead))
        return self.gain * said @ basis.analysis


def _earlier(x: Tensor, frames: int) -> Tensor:
    rows = torch.arange(len(x), device=x.device) + frames
    return x[rows.clamp(0, len(x) - 1)]
