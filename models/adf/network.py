"""The whole ADF of one subject: speech features and a style window in, FLAME motion out."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.adf.config import AdfConfig
from models.adf.contrastive import SpeechMotionEmbedding
from models.adf.expression import ExpressionEnsemble
from models.adf.manner import FACE_DOUBT, HEAD_DOUBT, LIMITS, Manner, amplitude, lack, pace, spread, swell, trust
from models.adf.motion import MotionBasis
from models.adf.pose import PosePrior
from models.adf.prior import MouthPrior, PersonalPrior
from models.adf.silence import Silence
from models.adf.skip import KernelSkip
from models.adf.speech import SpeechFront
from models.adf.style import StyleEncoder
from models.adf.vqvae import MotionVqVae
from models.adf.windows import blend, resampled, smooth
from models.speech.voice_activity import GROUP

MADE_DOUBT = 50.0  # frames of a sound at which it counts as much as the training part for what made motion lacks
POSE_SMOOTHING = 2.0  # frames; above some 2 Hz the decoder's steps from code to code outweigh real head motion


@dataclass
class Motion:
    """expression [N, E + 9] and pose [N, 9] branch, in native units (coefficients, radians, metres)."""

    expression: Tensor
    pose: Tensor


class Adf(nn.Module):
    """All parts and the path of generation.

    The expression branch is  mean + gain (skip + gate (decoded - skip)):  the kernel regression ``skip`` and the
    motion ``decoded`` from predicted codes are averaged with a ``gate`` in 0..1 that a held-back piece of the
    training part decides, and the matrix ``gain`` gives back the liveliness that averaging takes away.
    """

    gate: Tensor
    gain: Tensor
    lower: Tensor
    upper: Tensor
    rest: Tensor
    expression_spread: Tensor
    pose_spread: Tensor
    pose_pace: Tensor
    expression_made: Tensor
    pose_made: Tensor
    pace_lack: Tensor

    def __init__(self, config: AdfConfig, supports: int):
        super().__init__()
        self.config = config
        # Whether bases and front hold directions that many people share (models/adf/corpus_prior.py): training then
        # takes the person's means and keeps the directions.
        self.common_coordinates = False
        expression, pose = config.expression.components, config.pose.components
        self.expression_basis = MotionBasis(config.expression.channels, expression)
        self.pose_basis = MotionBasis(config.pose.channels, pose)
        self.front = SpeechFront(config.speech)
        heard = self.front.channels
        self.prior = PersonalPrior(config.prior) if config.prior else None
        self.skip = KernelSkip(heard, expression, config.context, supports)
        self.expression_space = MotionVqVae(config.expression, config.heads, config.dropout)
        self.pose_space = MotionVqVae(config.pose, config.heads, config.dropout)
        self.style = StyleEncoder(expression + pose, config.style_channels, config.width, config.heads, config.dropout)
        self.embedding = SpeechMotionEmbedding(heard, expression, config.embedding_channels)
        self.to_expression = ExpressionEnsemble(config, heard)
        self.to_pose = PosePrior(config, heard)
        self.register_buffer("gate", torch.tensor(0.5))
        self.register_buffer("gain", torch.eye(expression))
        # What the training part ever showed, per channel of the expression branch: coefficients have a range.
        self.register_buffer("lower", torch.full((config.expression.channels,), -torch.inf))
        self.register_buffer("upper", torch.full((config.expression.channels,), torch.inf))

        # How the mouth rests, and when.
        self.register_buffer("rest", torch.zeros(expression))
        self.silence = Silence()
        # Spread of the training motion, by component, and tempo: what another style is compared with.
        self.register_buffer("expression_spread", torch.ones(expression))
        self.register_buffer("pose_spread", torch.ones(pose))
        self.register_buffer("pose_pace", torch.ones(()))
        # The same of motion that the networks make for sound they have not learned by heart; of tempo, own over made.
        self.register_buffer("expression_made", torch.ones(expression))
        self.register_buffer("pose_made", torch.ones(pose))
        self.register_buffer("pace_lack", torch.ones(()))

    def style_code(self, motion: Motion) -> Tensor:
        """Style code [1, style] of a sequence: the mean over its windows.  Raises ValueError for an empty one."""
        if not len(motion.expression):
            raise ValueError("a style needs at least one frame of motion")
        both = torch.cat([self.expression_basis(motion.expression), self.pose_basis(motion.pose)], -1)
        windows = both.split(self.config.window)
        whole = [part for part in windows if len(part) == self.config.window] or [windows[0]]
        return torch.stack([self.style(part[None])[0] for part in whole]).mean(0, keepdim=True)

    @torch.no_grad()
    def expected(self, features: Tensor, energy: Tensor) -> Tensor | float:
        """What the prior expects of this person [N, components], about which the skip path works; 0 without a prior."""
        return self.prior(features, energy, self.expression_basis) if self.prior is not None else 0.0

    @torch.no_grad()
    def expression_parts(self, heard: Tensor, style: Tensor, expected: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
        """Expression motion [N, components] for heard speech [N, S]: (skip path, decoded codes)."""
        skipped = expected + self.skip.over(heard)
        return skipped, self.decoded(heard, skipped, style)

    @torch.no_grad()
    def decoded(self, heard: Tensor, skipped: Tensor, style: Tensor) -> Tensor:
        """Motion [N, components] of the predicted codes, given the skip path's."""

        def window(start: int, stop: int) -> Tensor:
            piece = slice(start, stop)
            return self.to_expression(heard[None, piece], skipped[None, piece], style, self.expression_space)[0]

        return blend(len(heard), self.config.window, self.config.window // 2, window)

    @torch.no_grad()
    def turned(
        self, heard: Tensor, style: Tensor, temperature: float, generator: torch.Generator, tempo: float = 1.0
    ) -> Tensor:
        """Sampled head motion [N, components] for heard speech [N, S], ``tempo`` times as fast as the codes have it."""
        frames = len(heard)
        heard = resampled(heard, max(1, round(tempo * frames)))
        latents = self.to_pose.sample(heard, style, self.pose_space.quantizer, temperature, generator)
        stride = self.config.pose.stride
        window = self.config.window // stride * stride

        def decode(start: int, stop: int) -> Tensor:
            return self.pose_space.decode(latents[None, start // stride : stop // stride])[0]

        pose = blend(len(latents) * stride, window, window // stride // 2 * stride, decode)[: len(heard)]
        return resampled(smooth(pose, POSE_SMOOTHING), frames)

    def fuse(self, skipped: Tensor, decoded: Tensor) -> Tensor:
        """Both predictions [..., components] -> expression motion in the same coordinates."""
        return (skipped + self.gate * (decoded - skipped)) @ self.gain

    @torch.no_grad()
    def generate(
        self,
        features: Tensor,
        energy: Tensor,
        style: Motion | Manner,
        temperature: float,
        generator: torch.Generator,
        emphasis: float = 0.0,
    ) -> Motion:
        """features [N, C] and energy [N] of any length -> motion of N frames; deterministic for a generator state.

        style: a piece of the subject's own motion, or a manner.  emphasis: how much larger loud stretches are than
        quiet ones (``manner.swell``).
        """
        if self.training:
            raise RuntimeError("generate() is for a network in eval mode")
        manner = self.own_manner(style) if isinstance(style, Motion) else style
        voice = self.voice(features)
        energy = self.level(energy, voice)
        heard = self.front(features, energy)
        excursion = self.fuse(*self.expression_parts(heard, manner.code, self.expected(features, energy))) - self.rest
        still = self.silence.stillness(energy, voice)[:, None]
        excursion = excursion * self.larger(manner, excursion[still[:, 0] < 0.5]) * swell(energy, emphasis)[:, None]
        expression = self.rest + (1 - still) * excursion
        tempo = float(self.pace_lack) * manner.tempo
        pose = self.further(manner) * self.turned(heard, manner.code, temperature, generator, tempo)
        larger = float(manner.expression.max()) * (1.0 + max(emphasis, 0.0))
        return Motion(self.to_flame(expression, larger), self.pose_basis.inverse(pose))

    def to_flame(self, expression: Tensor, larger: float = 1.0) -> Tensor:
        """Expression motion [N, components] -> expression branch [N, E + 9], within the range seen in training.

        larger: how much further than there actions and jaw may go; never below the least that was seen, where lips
        and lids are shut.
        """
        room = (max(larger, 1.0) - 1.0) * (self.upper - self.expression_basis.mean).clamp_min(0.0).nan_to_num(posinf=0)
        return self.expression_basis.inverse(expression).clamp(self.lower, self.upper + room)

    def voice(self, features: Tensor) -> Tensor | None:
        """Probability [N] that somebody speaks, where the features [N, C] have such a group; else None: not known."""
        place = 0
        for group in self.config.speech:
            if group.name == GROUP:
                return features[:, place]
            place += group.channels
        return None

    def level(self, energy: Tensor, voice: Tensor | None) -> Tensor:
        """Energy [N] as if recorded like the training sound: a voice more than 6 dB off is brought to within 6 dB."""
        return energy + self.silence.offset(energy, voice)

    def manner(self, style: Motion) -> Manner:
        """What somebody's motion asks for: its code, and spread and tempo beside the subject's own.

        Both are drawn towards the subject's own for styles of few frames.  What the networks make of sound is calmer
        than filmed motion; another's manner is to be seen, and so what is lacking is made up for.
        """
        face, head = self.expression_basis(style.expression), self.pose_basis(style.pose)
        frames = len(head)
        tempo = float((pace(head) / self.pose_pace).clamp(*LIMITS)) ** trust(frames, HEAD_DOUBT)
        return Manner(
            self.style_code(style),
            amplitude(spread(face), self.expression_spread, trust(frames, FACE_DOUBT)),
            amplitude(spread(head), self.pose_spread, trust(frames, HEAD_DOUBT)),
            tempo,
            lively=1.0,
        )

    def larger(self, manner: Manner, made: Tensor | None = None) -> Tensor:
        """Factors [components] on the excursions of the face.

        made [N, components]: excursions that the sound asks for, which tell how much they lack; the fewer there are,
        the more is taken from the training part.  A voice that was never heard moves the mouth less.
        """
        usual = self.expression_made
        if made is not None and len(made) > 1:
            share = trust(len(made), MADE_DOUBT)
            usual = (share * spread(made).square() + (1 - share) * usual.square()).sqrt()
        return manner.expression * lack(usual, self.expression_spread) ** manner.lively

    def further(self, manner: Manner) -> Tensor:
        """Factors [components] on the sampled motion of the head."""
        return manner.pose * amplitude(self.pose_spread, self.pose_made, 1.0)

    def own_manner(self, style: Motion) -> Manner:
        """The subject's own, of which ``style`` is a piece: as much as the networks make of the sound."""
        ones = torch.ones_like
        return Manner(self.style_code(style), ones(self.expression_spread), ones(self.pose_spread))


def with_prior(adf: Adf, prior: MouthPrior) -> Adf:
    """``adf``, not yet trained, with a copy of ``prior`` to start from; its other weights stay."""
    fresh = Adf(replace(adf.config, prior=prior.config), len(adf.skip.support))
    fresh.load_state_dict(adf.state_dict(), strict=False)
    assert fresh.prior is not None
    fresh.prior.general.load_state_dict(prior.state_dict())
    return fresh
