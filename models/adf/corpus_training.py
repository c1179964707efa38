"""Training of a ``CorpusPrior`` over several people, by one process or by several (torchrun), to the same bits.

The parts fall into JOBS that do not need one another.  Processes deal the jobs among themselves and then exchange what
they learned: who trains a part changes nothing of it, and more processes than jobs gain nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from models.adf.contrastive import info_nce, nt_xent
from models.adf.corpus_prior import CorpusPrior
from models.adf.data import Run
from models.adf.motion import pose_metric
from models.adf.prior_training import NOISE, RATE, motion_error
from models.adf.quantizer import perplexity
from models.adf.training import GAP, TEMPERATURE
from models.adf.vqvae import MotionVqVae

JOBS = {
    "mouth": ("mouth",),
    "expression": ("expression_space",),
    "embedding": ("embedding",),
    "pose": ("pose_space", "style", "to_pose"),
}
"""Trained parts of the prior by job."""
MOST_ROWS = 100_000  # from which statistics are taken: principal components need no more


@dataclass(frozen=True)
class CorpusPlan:
    """mouth, space, embedding, style, pose: steps.  batch: windows a step.  window: frames of one."""

    mouth: int
    space: int
    embedding: int
    style: int
    pose: int
    batch: int = 12
    window: int = 60
    learning_rate: float = 1e-3
    noise: float = 0.1

    def steps(self, job: str) -> int:
        return {
            "mouth": self.mouth,
            "expression": self.space,
            "embedding": self.embedding,
            "pose": self.space + self.style + self.pose,
        }[job]


@dataclass(frozen=True)
class Member:
    """One subject of the corpus.  runs: uninterrupted usable frames.  manner: whose they are and in which style; two
    members of one manner are not told apart."""

    name: str
    manner: tuple[str, str]
    runs: list[Run]


Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Store:
    """Where finished jobs are kept until all are: ``load`` gives what ``save`` was given (state of the job's parts and
    figures), or None."""

    load: Callable[[str], tuple[dict[str, Tensor], dict[str, float]] | None]
    save: Callable[[str, dict[str, Tensor], dict[str, float]], None]


def train_corpus(
    prior: CorpusPrior,
    members: list[Member],
    metric: Tensor,
    plan: CorpusPlan,
    seed: int,
    progress: Progress | None = None,
    store: Store | None = None,
) -> dict[str, float]:
    """Fit ``prior`` to ``members``; leaves it in eval mode; returns figures by name.

    metric [E + 9, E + 9]: what a change of the expression branch costs.  progress(job, steps of it done).  Raises
    ValueError for fewer than two manners, or a member without a run of ``plan.window`` frames.
    """
    members = _long_enough(members, plan.window)
    if len({member.manner for member in members}) < 2:
        raise ValueError("a corpus needs two people, or two styles, or more")
    _fit_statistics(prior, members, metric)
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    figures: dict[str, dict[str, float]] = {}
    for place, (job, parts) in enumerate(JOBS.items()):
        modules = nn.ModuleDict({name: getattr(prior, name) for name in parts})
        if place % world == rank:
            kept = store.load(job) if store else None
            if kept is not None:
                modules.load_state_dict(kept[0])
                figures[job] = kept[1]
            else:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed + place)
                    figures[job] = _Job(prior, members, plan, seed + place, job, progress).run()
                if store:
                    store.save(job, modules.state_dict(), figures[job])
    if world > 1:
        for place, (job, parts) in enumerate(JOBS.items()):
            for name in parts:
                _receive(getattr(prior, name), place % world)
            figures[job] = _receive_figures(figures.get(job, {}), place % world)
    prior.eval()
    return {f"{job}_{name}": value for job in JOBS for name, value in figures[job].items()}


def _long_enough(members: list[Member], window: int) -> list[Member]:
    kept = []
    for member in members:
        runs = [run for run in member.runs if len(run) >= window]
        if not runs:
            raise ValueError(f"{member.name} has no {window} usable frames on end")
        kept.append(Member(member.name, member.manner, runs))
    return kept


def _fit_statistics(prior: CorpusPrior, members: list[Member], metric: Tensor) -> None:
    """Common directions, from motion and features about each member's own means."""
    stride = -(-sum(len(run) for member in members for run in member.runs) // MOST_ROWS)
    columns: dict[str, list[Tensor]] = {name: [] for name in ("features", "energy", "expression", "pose")}
    for member in members:
        for name, parts in columns.items():
            values = torch.cat([getattr(run, name) for run in member.runs])
            parts.append((values - values.mean(0))[::stride])
    features, energy, expression, pose = (torch.cat(parts) for parts in columns.values())
    prior.front.fit(features, energy)
    prior.expression_basis.fit(expression, metric)
    prior.pose_basis.fit(pose, pose_metric())
    # The mouth hears sounds as they are, and says what a face does about its own mean.
    runs = [_every(stride, run) for member in members for run in member.runs]
    raw = torch.cat([run.features[:, : prior.mouth.config.features] for run in runs])
    prior.mouth.front.fit(raw, torch.cat([run.energy for run in runs]))
    prior.mouth.basis.fit(expression, metric)
    prior.centre(runs)


def _every(stride: int, run: Run) -> Run:
    return Run(run.features[::stride], run.energy[::stride], run.expression[::stride], run.pose[::stride])


@dataclass
class _Window:
    """heard [B, T, S] for the mouth or for the rest, expression and pose [B, T, .], in coordinates."""

    heard: Tensor
    expression: Tensor
    pose: Tensor


class _Job:
    """One job: its windows come from all members alike, however much there is of each."""

    def __init__(
        self,
        prior: CorpusPrior,
        members: list[Member],
        plan: CorpusPlan,
        seed: int,
        job: str,
        progress: Progress | None,
    ):
        self.prior, self.plan, self.job, self.progress, self.done = prior, plan, job, progress, 0
        self.generator = torch.Generator().manual_seed(seed)
        self.manners = [member.manner for member in members]
        self.runs = [self._of_mouth(member) if job == "mouth" else prior.coordinates(member.runs) for member in members]
        self.rooms = [torch.tensor([len(run[0]) - plan.window + 1.0 for run in runs]) for runs in self.runs]

    def _of_mouth(self, member: Member) -> list[tuple[Tensor, Tensor, Tensor]]:
        mouth = self.prior.mouth
        mean = torch.cat([run.expression for run in member.runs]).mean(0)
        return [
            (
                mouth.front(run.features[:, : mouth.config.features], run.energy),
                mouth.basis(run.expression - mean),
                run.pose,
            )
            for run in member.runs
        ]

    def run(self) -> dict[str, float]:
        return getattr(self, f"_{self.job}")()

    def _mouth(self) -> dict[str, float]:
        mouth = self.prior.mouth

        def loss() -> Tensor:
            batch = self._windows()
            said, _ = mouth.predict(batch.heard + NOISE * torch.randn_like(batch.heard))
            return motion_error(said, batch.expression)

        return {"loss": self._loop([mouth.net], self.plan.mouth, loss, RATE)}

    def _expression(self) -> dict[str, float]:
        return self._space(self.prior.expression_space, "expression")

    def _embedding(self) -> dict[str, float]:
        embedding = self.prior.embedding

        def loss() -> Tensor:
            # Every member is in every batch as often as every other: most of a frame's negatives are other people's.
            batch = self._windows()
            speech = embedding.embed_speech(self._noisy(batch.heard))
            return info_nce(speech, embedding.embed_motion(self._noisy(batch.expression)), TEMPERATURE, GAP)

        return {"loss": self._loop([embedding], self.plan.embedding, loss)}

    def _pose(self) -> dict[str, float]:
        prior = self.prior
        figures = self._space(prior.pose_space, "pose")
        figures["style_loss"] = self._loop([prior.style], self.plan.style, self._style_loss)

        def loss() -> Tensor:
            picks = self._picks()
            batch, example = self._windows(picks), self._windows(picks)
            with torch.no_grad():
                style = prior.style(torch.cat([example.expression, example.pose], -1))
            codes = prior.pose_space.codes(batch.pose)
            logits = prior.to_pose(self._noisy(batch.heard), codes, style, prior.pose_space.quantizer)
            return F.cross_entropy(logits.flatten(0, 2), codes.flatten(), label_smoothing=0.05)

        figures["loss"] = self._loop([prior.to_pose], self.plan.pose, loss)
        return figures

    def _style_loss(self) -> Tensor:
        """NT-Xent with two windows of every manner: what differs between people and styles and not within."""
        order = torch.randperm(len(self.manners), generator=self.generator).tolist()
        chosen = list({self.manners[i]: i for i in order}.values())[: self.plan.batch]
        pair = [
            self.prior.style(torch.cat([batch.expression, batch.pose], -1))
            for batch in (self._windows(chosen), self._windows(chosen))
        ]
        return nt_xent(pair[0], pair[1], TEMPERATURE)

    def _space(self, space: MotionVqVae, name: str) -> dict[str, float]:
        def loss() -> Tensor:
            motion = getattr(self._windows(), name)
            rebuilt, _, commitment = space(self._noisy(motion))
            return motion_error(rebuilt, motion) + 0.25 * commitment

        figures = {"space_loss": self._loop([space], self.plan.space, loss)}
        codes = space.codes(getattr(self._windows(list(range(len(self.runs)))), name))
        for level in range(space.config.levels):
            figures[f"perplexity_{level + 1}"] = perplexity(codes[..., level], space.config.codes)
        return figures

    def _picks(self) -> list[int]:
        """``batch`` members, all as often as each other but for one."""
        rounds = -(-self.plan.batch // len(self.runs))
        order = [torch.randperm(len(self.runs), generator=self.generator) for _ in range(rounds)]
        return torch.cat(order)[: self.plan.batch].tolist()

    def _windows(self, picks: list[int] | None = None) -> _Window:
        parts = []
        for member in self._picks() if picks is None else picks:
            run = int(torch.multinomial(self.rooms[member], 1, generator=self.generator))
            room = int(self.rooms[member][run])
            start = int(torch.randint(room, (), generator=self.generator))
            parts.append([column[start : start + self.plan.window] for column in self.runs[member][run]])
        return _Window(*(torch.stack(column) for column in zip(*parts, strict=True)))

    def _noisy(self, x: Tensor) -> Tensor:
        return x + self.plan.noise * torch.randn_like(x)

    def _loop(
        self, modules: list[nn.Module], steps: int, loss: Callable[[], Tensor], rate: float | None = None
    ) -> float:
        """``steps`` of AdamW; returns the mean loss of the last tenth."""
        parameters = [p for module in modules for p in module.parameters()]
        rate = rate or self.plan.learning_rate
        optimiser = torch.optim.AdamW(parameters, rate, weight_decay=0.01)
        length = max(steps, 2) + (steps == 5)  # a rise of a fifth of five steps would divide by zero
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, length, pct_start=0.2)
        self.prior.eval()
        for module in modules:
            module.train()
        losses = []
        for _ in range(steps):
            optimiser.zero_grad(set_to_none=True)
            value = loss()
            value.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            losses.append(float(value.detach()))
            self.done += 1
            if self.progress:
                self.progress(self.job, self.done)
        self.prior.eval()
        last = losses[-max(1, steps // 10) :]
        return sum(last) / len(last)


def _receive(module: nn.Module, owner: int) -> None:
    """Everything that ``module`` holds, as process ``owner`` has it."""
    for value in module.state_dict().values():
        carried = value.to(torch.uint8) if value.dtype == torch.bool else value
        dist.broadcast(carried, owner)
        if carried is not value:
            value.copy_(carried.bool())


def _receive_figures(figures: dict[str, float], owner: int) -> dict[str, float]:
    """``figures`` of process ``owner``; the names travel as bytes."""
    text = "\n".join(figures).encode()
    length = torch.tensor([len(text)])
    dist.broadcast(length, owner)
    names = torch.tensor(list(text) if text else [0] * int(length), dtype=torch.uint8)
    dist.broadcast(names, owner)
    keys = bytes(names.tolist()).decode().split("\n")
    values = torch.tensor([figures.get(key, 0.0) for key in keys], dtype=torch.float64)
    dist.broadcast(values, owner)
    return dict(zip(keys, values.tolist(), strict=True))
