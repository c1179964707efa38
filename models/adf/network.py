"""The whole ADF of one subject: speech features and a style window in, FLAME motion out."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.adf.config import AdfConfig
from models.adf.contrastive import SpeechMotionEmbedding
from models.adf.expression import SpeechToExpression
from models.adf.motion import MotionBasis
from models.adf.pose import PosePrior
from models.adf.skip import KernelSkip
from models.adf.speech import SpeechFront
from models.adf.style import StyleEncoder
from models.adf.vqvae import MotionVqVae
from models.adf.windows import blend, smooth

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
    quiet: Tensor
    loud: Tensor
    expression_spread: Tensor
    pose_spread: Tensor

    def __init__(self, config: AdfConfig, supports: int):
        super().__init__()
        self.config = config
        expression, pose = config.expression.components, config.pose.components
        self.expression_basis = MotionBasis(config.expression.channels, expression)
        self.pose_basis = MotionBasis(config.pose.channels, pose)
        self.front = SpeechFront(config.speech)
        heard = self.front.channels
        self.skip = KernelSkip(heard, expression, config.context, supports)
        self.expression_space = MotionVqVae(config.expression, config.heads, config.dropout)
        self.pose_space = MotionVqVae(config.pose, config.heads, config.dropout)
        self.style = StyleEncoder(expression + pose, config.style_channels, config.width, config.heads, config.dropout)
        self.embedding = SpeechMotionEmbedding(heard, expression, config.embedding_channels)
        self.to_expression = SpeechToExpression(config, heard)
        self.to_pose = PosePrior(config, heard)
        self.register_buffer("gate", torch.tensor(0.5))
        self.register_buffer("gain", torch.eye(expression))
        # What the training part ever showed, per channel of the expression branch: coefficients have a range.
        self.register_buffer("lower", torch.full((config.expression.channels,), -torch.inf))
        self.register_buffer("upper", torch.full((config.expression.channels,), torch.inf))

        # Motion in the quietest training frames, and the levels in dBFS of silence and of the voice.
        self.register_buffer("rest", torch.zeros(expression))
        self.register_buffer("quiet", torch.tensor(-60.0))
        self.register_buffer("loud", torch.tensor(-20.0))
        # Standard deviations of the training motion, by component: what another style is compared with.
        self.register_buffer("expression_spread", torch.ones(expression))
        self.register_buffer("pose_spread", torch.ones(pose))

    def style_code(self, motion: Motion) -> Tensor:
        """Style code [1, style] of a sequence: the mean over its windows.  Raises ValueError for an empty one."""
        if not len(motion.expression):
            raise ValueError("a style needs at least one frame of motion")
        both = torch.cat([self.expression_basis(motion.expression), self.pose_basis(motion.pose)], -1)
        windows = both.split(self.config.window)
        whole = [part for part in windows if len(part) == self.config.window] or [windows[0]]
        return torch.stack([self.style(part[None])[0] for part in whole]).mean(0, keepdim=True)

    @torch.no_grad()
    def expression_parts(self, heard: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Expression motion [N, components] for heard speech [N, S]: (skip path, decoded codes)."""
        skipped = self.skip(self.skip.windows(heard))

        def window(start: int, stop: int) -> Tensor:
            piece = slice(start, stop)
            return self.to_expression(heard[None, piece], skipped[None, piece], style, self.expression_space).motion[0]

        return skipped, blend(len(heard), self.config.window, self.config.window // 2, window)

    def fuse(self, skipped: Tensor, decoded: Tensor) -> Tensor:
        """Both predictions [..., components] -> expression motion in the same coordinates."""
        return (skipped + self.gate * (decoded - skipped)) @ self.gain

    @torch.no_grad()
    def generate(
        self, features: Tensor, energy: Tensor, style: Motion, temperature: float, generator: torch.Generator
    ) -> Motion:
        """features [N, C] and energy [N] of any length -> motion of N frames; deterministic for a generator state."""
        if self.training:
            raise RuntimeError("generate() is for a network in eval mode")
        energy = self.level(energy)
        heard, code = self.front(features, energy), self.style_code(style)
        livelier, larger = self.style_amplitude(style)
        expression = livelier * self.fuse(*self.expression_parts(heard, code))
        still = self.stillness(energy)[:, None]
        expression = expression + still * (self.rest - expression)
        latents = self.to_pose.sample(heard, code, self.pose_space.quantizer, temperature, generator)
        stride = self.config.pose.stride
        window = self.config.window // stride * stride

        def decode(start: int, stop: int) -> Tensor:
            return self.pose_space.decode(latents[None, start // stride : stop // stride])[0]

        pose = blend(len(latents) * stride, window, window // stride // 2 * stride, decode)[: len(heard)]
        return Motion(self.to_flame(expression), self.pose_basis.inverse(larger * smooth(pose, POSE_SMOOTHING)))

    def to_flame(self, expression: Tensor) -> Tensor:
        """Expression motion [N, components] -> expression branch [N, E + 9], within the range seen in training."""
        return self.expression_basis.inverse(expression).clamp(self.lower, self.upper)

    def level(self, energy: Tensor) -> Tensor:
        """Energy [N] as if recorded like the training sound: a voice more than 6 dB off is brought to within 6 dB.

        Tracks shorter than a second, or without anything as loud as -60 dBFS, are left as they are.
        """
        if len(energy) < 25:
            return energy
        top = torch.quantile(energy[:100_000], 0.95)
        if float(top) < -60.0:
            return energy
        off = self.loud - top
        return energy + off.sign() * (off.abs() - 6.0).clamp_min(0.0)

    def stillness(self, energy: Tensor) -> Tensor:
        """0 (speech) ... 1 (quieter than the training part ever was) [N], without steps: there the mouth rests.

        A regression has nothing to say about silence that it never heard; it would hold the average, half-open mouth.
        """
        quiet = torch.sigmoid((self.quiet - energy) / 1.5)
        padded = torch.nn.functional.pad(quiet[None, None], (3, 3), mode="replicate")
        return torch.nn.functional.avg_pool1d(padded, 7, 1)[0, 0]

    def style_amplitude(self, style: Motion) -> tuple[Tensor, Tensor]:
        """How much livelier than the subject a style is: a factor for expression, one [components] for pose.

        Ratios of standard deviations, 1/2 to 2, drawn towards 1 for styles of few frames.  The subject's own training
        motion gives 1.
        """
        trust = len(style.pose) / (len(style.pose) + 100.0)
        face = self.expression_basis(style.expression).std(0, correction=0)
        head = self.pose_basis(style.pose).std(0, correction=0)
        livelier = face.norm() / self.expression_spread.norm().clamp_min(1e-6)
        larger = torch.where(self.pose_spread > 1e-6, head / self.pose_spread.clamp_min(1e-6), torch.ones_like(head))
        return livelier.clamp(0.5, 2.0) ** trust, larger.clamp(0.5, 2.0) ** trust
