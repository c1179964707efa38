"""Training of one subject's ADF, from closed form to codes.

Order: motion bases and skip path (closed_form.py); the two VQ-VAEs; the speech-motion embedding; the transformer from
speech to expression with the style encoder; the pose prior; the gate, the gain, and how far made motion falls short of
tracked motion (settling.py).
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.adf.closed_form import fit_prior, fit_skip, fit_statistics, segment_of
from models.adf.contrastive import info_nce, nt_xent
from models.adf.data import Run, Segment, WindowSampler, hold_back
from models.adf.expression import SpeechToExpression
from models.adf.network import Adf
from models.adf.quantizer import perplexity
from models.adf.settling import measure_lack, own_style, predict, settle

GAP = 4  # frames nearer than this are neither matching nor opposing in the contrastive loss
TEMPERATURE = 0.1


@dataclass(frozen=True)
class TrainingPlan:
    """Steps and weights.  lively: share of the truth's spread that the gain aims at; held_back: share of the training
    frames that the transformers do not see and that decide gate and gain."""

    space_steps: int = 400
    embedding_steps: int = 300
    expression_steps: int = 600
    pose_steps: int = 400
    batch: int = 12
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    codes_weight: float = 0.05
    velocity_weight: float = 1.0
    contrastive_weight: float = 0.05
    style_weight: float = 0.02
    noise: float = 0.1
    held_back: float = 0.125
    folds: int = 6
    lively: float = 0.65

    @property
    def steps(self) -> int:
        return 2 * self.space_steps + self.embedding_steps + self.expression_steps + self.pose_steps


@dataclass
class TrainingLog:
    """curve: rows {"step": steps done in all, "<phase>.<loss>": mean of the last some steps}; facts: figures of the
    end, by name."""

    curve: list[dict[str, float]] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)


Progress = Callable[[str, int], None]


def train(
    adf: Adf,
    runs: list[Run],
    metric: Tensor,
    plan: TrainingPlan,
    seed: int,
    progress: Progress | None = None,
    opening: Tensor | None = None,
    brows: tuple[Tensor, Tensor] | None = None,
) -> TrainingLog:
    """Fit every part of ``adf`` to ``runs``; leaves it in eval mode.  Same runs, plan and seed, same weights.

    metric [E + 9, E + 9]: what a change of the expression branch costs (see MotionBasis).  opening [N]: of the
    mouth, of all frames of all runs; says which pauses show the resting mouth (None: the quietest frames do).
    brows: forms of ``geometry.brow_metrics``, by which the brows get the subject's own range (None: they do not).
    progress(phase, steps done in all) is called after every step.  Raises ValueError for no frames.
    """
    runs = [run for run in runs if len(run)]
    if not runs:
        raise ValueError("no frames to train on")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trainer = _Trainer(adf, runs, metric, plan, seed, progress, opening, brows)
        trainer.run()
    adf.eval()
    return trainer.log


@dataclass
class _Best:
    step: int
    error: float
    states: list[dict[str, Tensor]]


class _Trainer:
    def __init__(
        self,
        adf: Adf,
        runs: list[Run],
        metric: Tensor,
        plan: TrainingPlan,
        seed: int,
        progress: Progress | None,
        opening: Tensor | None,
        brows: tuple[Tensor, Tensor] | None,
    ):
        self.adf, self.plan, self.progress, self.brows = adf, plan, progress, brows
        self.log, self.done = TrainingLog(), 0
        self.generator = torch.Generator().manual_seed(seed)
        self.log.facts |= fit_statistics(adf, runs, metric, opening)
        self.segments = [segment_of(adf, run) for run in runs]
        expected, found = fit_prior(adf, runs)
        self.log.facts |= found | fit_skip(adf, self.segments, expected, plan.folds)
        self.early, self.late = hold_back(self.segments, plan.held_back)

    def run(self) -> None:
        self._train_space("expression")
        self._train_space("pose")
        self._train_embedding()
        self._train_expression()
        self._train_pose()
        style = own_style(self.adf, self.early)
        self.log.facts |= settle(self.adf, self.segments, self.late, style, self.plan.lively, self.brows)
        self.log.facts |= measure_lack(self.adf, self.segments, style, self.generator)

    def _loop(
        self,
        phase: str,
        modules: list[nn.Module],
        steps: int,
        loss: Callable[[], dict[str, Tensor]],
        judge: Callable[[], float] | None = None,
    ) -> None:
        """``steps`` of AdamW with a cosine schedule on the sum of the losses.

        judge: error on held-back frames; the weights of its best moment are kept (the start included).
        """
        parameters = [p for module in modules for p in module.parameters()]
        optimiser = torch.optim.AdamW(parameters, self.plan.learning_rate, weight_decay=self.plan.weight_decay)
        length = max(steps, 2) + (steps == 10)  # a rise of a tenth of ten steps would divide by zero
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.plan.learning_rate, length, pct_start=0.1)
        self.adf.eval()
        for module in modules:
            module.train()
        every = max(1, steps // 50)
        sums: dict[str, list[float]] = {}
        best = self._judged(phase, 0, judge, modules, None)
        for step in range(1, steps + 1):
            optimiser.zero_grad(set_to_none=True)
            losses = loss()
            torch.stack(list(losses.values())).sum().backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            self.done += 1
            for name, value in losses.items():
                sums.setdefault(name, []).append(float(value.detach()))
            if step % every == 0 or step == steps:
                row = {f"{phase}.{name}": sum(values) / len(values) for name, values in sums.items()}
                self.log.curve.append({"step": float(self.done), **row})
                sums.clear()
            if step % (5 * every) == 0 or step == steps:
                best = self._judged(phase, step, judge, modules, best)
            if self.progress:
                self.progress(phase, self.done)
        if best:
            self.log.facts[f"{phase}_best_step"] = float(best.step)
            for module, state in zip(modules, best.states, strict=True):
                module.load_state_dict(state)
        self.adf.eval()

    def _judged(
        self,
        phase: str,
        step: int,
        judge: Callable[[], float] | None,
        modules: list[nn.Module],
        best: "_Best | None",
    ) -> "_Best | None":
        if judge is None:
            return None
        self.adf.eval()
        with torch.no_grad():
            error = judge()
        for module in modules:
            module.train()
        self.log.curve.append({"step": float(self.done), f"{phase}.held_back": error})
        if best and best.error <= error:
            return best
        return _Best(step, error, [copy.deepcopy(module.state_dict()) for module in modules])

    def _sampler(self, segments: list[Segment]) -> WindowSampler:
        return WindowSampler(segments, self.adf.config.window, self.adf.config.pose.stride, self.generator)

    def _noisy(self, x: Tensor) -> Tensor:
        return x + self.plan.noise * torch.randn_like(x)

    def _train_space(self, name: str) -> None:
        space = getattr(self.adf, f"{name}_space")
        sampler = self._sampler(self.segments)

        def loss() -> dict[str, Tensor]:
            motion = getattr(sampler(self.plan.batch), name)
            rebuilt, _, commitment = space(self._noisy(motion))
            return {
                "reconstruction": F.mse_loss(rebuilt, motion),
                "velocity": self.plan.velocity_weight * F.mse_loss(rebuilt.diff(dim=1), motion.diff(dim=1)),
                "commitment": 0.25 * commitment,
            }

        self._loop(f"{name}_space", [space], self.plan.space_steps, loss)
        with torch.no_grad():
            codes = torch.cat([space.codes(getattr(s, name)[None])[0] for s in self.segments])
        for level in range(space.config.levels):
            self.log.facts[f"{name}_perplexity_{level + 1}"] = perplexity(codes[:, level], space.config.codes)
        self.log.facts[f"{name}_codes_revived"] = float(space.quantizer.revived)

    def _train_embedding(self) -> None:
        embedding, sampler = self.adf.embedding, self._sampler(self.early)

        def loss() -> dict[str, Tensor]:
            batch = sampler(self.plan.batch)
            speech = embedding.embed_speech(self._noisy(batch.heard))
            motion = embedding.embed_motion(self._noisy(batch.expression))
            return {"info_nce": info_nce(speech, motion, TEMPERATURE, GAP)}

        self._loop("embedding", [embedding], self.plan.embedding_steps, loss)

    def _train_expression(self) -> None:
        adf, members = self.adf, list(self.adf.to_expression.members)
        for part in (adf.expression_space, adf.embedding):
            part.requires_grad_(False)
        whole, more = divmod(self.plan.expression_steps, len(members))
        for place, member in enumerate(members):
            self._train_member(cast(SpeechToExpression, member), whole + (place < more), first=place == 0)
            self.log.facts[f"expression_{place + 1}_best_step"] = self.log.facts.pop("expression_best_step", 0.0)
        for part in (adf.expression_space, adf.embedding):
            part.requires_grad_(True)

    def _train_member(self, network: SpeechToExpression, steps: int, first: bool) -> None:
        """One network of the ensemble; the style encoder learns beside the ``first``."""
        adf, plan = self.adf, self.plan
        space, style, sampler = adf.expression_space, adf.style, self._sampler(self.early)
        network.calibrate(torch.cat([space.encode(s.expression[None])[0] for s in self.segments]), space)
        style.requires_grad_(first)

        def judge() -> float:
            by = own_style(adf, self.early)
            decoded, skipped, truth = predict(adf, self.late, by, lambda *given: network(*given).motion)
            return float(F.mse_loss(0.5 * (decoded + skipped), truth))

        def loss() -> dict[str, Tensor]:
            batch, example = sampler(plan.batch), sampler(plan.batch, warp=False)
            both = torch.cat([example.expression, example.pose], -1)
            half = both.shape[1] // 2
            codes = style(both)
            said = network(self._noisy(batch.heard), self._noisy(batch.skipped), codes, space)
            truth = space.codes(batch.expression)
            terms = {
                "motion": F.mse_loss(said.motion, batch.expression),
                "velocity": plan.velocity_weight * F.mse_loss(said.motion.diff(dim=1), batch.expression.diff(dim=1)),
                "codes": plan.codes_weight * F.cross_entropy(said.logits.flatten(0, 2), truth.flatten()),
                "style": plan.style_weight * nt_xent(style(both[:, :half]), style(both[:, half:]), TEMPERATURE),
            }
            if not first:
                del terms["style"]
            if plan.contrastive_weight:
                speech = adf.embedding.embed_speech(batch.heard)
                agreement = info_nce(speech, adf.embedding.embed_motion(said.motion), TEMPERATURE, GAP)
                terms["contrastive"] = plan.contrastive_weight * agreement
            return terms

        self._loop("expression", [network, style] if first else [network], steps, loss, judge)
        style.requires_grad_(True)

    def _train_pose(self) -> None:
        adf, sampler = self.adf, self._sampler(self.segments)
        space = adf.pose_space

        def loss() -> dict[str, Tensor]:
            batch, example = sampler(self.plan.batch), sampler(self.plan.batch, warp=False)
            with torch.no_grad():
                style = adf.style(torch.cat([example.expression, example.pose], -1))
            codes = space.codes(batch.pose)
            logits = adf.to_pose(self._noisy(batch.heard), codes, style, space.quantizer)
            return {"codes": F.cross_entropy(logits.flatten(0, 2), codes.flatten(), label_smoothing=0.05)}

        self._loop("pose", [adf.to_pose], self.plan.pose_steps, loss)
