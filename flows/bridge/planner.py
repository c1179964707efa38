"""What there is to do: the stages DVC holds to be changed, and everything downstream of them."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flows.bridge.fingerprint import Memory
from flows.bridge.graph import SHARED, Graph, Stage, read_graph, subject_ids
from flows.bridge.repair import release_dead_locks, remove_torn_locks
from flows.half_made import remove_left
from flows.onboarding import complete
from flows.pipeline import PipelineWriter
from tasks.artifacts.layout import SubjectFolder, check_subject_id
from tasks.artifacts.subject import read_subject
from tasks.errors import BadInput, TaskError
from tasks.stage import explain_os_error


@dataclass
class Plan:
    """stages: what to run, upstream first, with the upstream stages that are part of the plan.

    reasons: why, by address.  up_to_date: subjects with nothing to do.  quarantined, frozen: subjects left out.
    broken: units whose files cannot be read, with the cause.
    """

    stages: dict[str, Stage] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)
    up_to_date: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    frozen: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)

    def upstream(self, address: str) -> list[str]:
        """Stages of the plan that ``address`` waits for."""
        return [other for other in self.stages[address].upstream if other in self.stages]


@dataclass(frozen=True)
class Target:
    """A subject, or one stage of it with what that stage needs."""

    subject: str
    stage: str | None = None


def parse_targets(root: Path, texts: Iterable[str]) -> list[Target]:
    """``ID`` or ``ID:STAGE``.  Raises BadInput for an unknown subject or stage."""
    targets = []
    known = subject_ids(root)
    names = PipelineWriter(root).stage_names
    for text in texts:
        subject, _, stage = text.partition(":")
        check_subject_id(subject)
        if subject not in known:
            raise BadInput(f"no subject {subject!r} in data/subjects: 'erlnet status' lists the subjects")
        if stage and stage not in names:
            raise BadInput(f"subject {subject!r} has no stage {stage!r}: it has {', '.join(names)}")
        targets.append(Target(subject, stage or None))
    return targets


def make_plan(root: Path, targets: Sequence[Target] | None = None, write: bool = True) -> Plan:
    """Plan ``targets``, or every subject and the shared stages where there are none.

    With ``write`` pipeline files that no longer fit template and code are written anew first; without it nothing is
    written, and the stages whose definition would change count as stale.  Writing also mends what a kill or a power cut
    has left half done.
    """
    plan = Plan()
    if write:
        release_dead_locks(root)
        remove_left(root / "data" / "subjects")
    everything = targets is None
    wanted = [Target(subject) for subject in subject_ids(root)] if targets is None else list(targets)
    subjects: list[str] = []
    redefined: dict[str, list[str]] = {}
    writer = PipelineWriter(root)
    for subject in dict.fromkeys(target.subject for target in wanted):
        try:
            folder = SubjectFolder.of(subject, root)
            if read_subject(folder.record).status == "quarantined":
                plan.quarantined.append(subject)
                continue
            if folder.frozen.exists():
                plan.frozen.append(subject)
                continue
            if write:
                complete(root, folder)
                writer.write(folder)
            else:
                redefined[subject] = writer.changed_stages(folder)
        except (TaskError, OSError, SyntaxError) as error:
            plan.broken[subject] = explain_os_error(error) if isinstance(error, OSError) else str(error)
            continue
        subjects.append(subject)

    graph = look(root, subjects, redefined)
    unsettled = {*graph.broken, *(stage.unit for stage in graph.stages.values() if stage.reasons)}
    if write and remove_torn_locks(root, unsettled):
        graph = look(root, subjects, redefined)
    plan.broken |= graph.broken
    chosen = _chosen(graph, [target for target in wanted if target.subject in subjects], everything)
    stale = {
        address: list(stage.reasons) or ["its definition changed"]
        for address, stage in graph.stages.items()
        if stage.reasons or stage.name in redefined.get(stage.unit, ())
    }
    affected = graph.affected(stale)
    for address, stage in graph.stages.items():
        if address in affected and address in chosen:
            plan.stages[address] = stage
            plan.reasons[address] = stale.get(address, ["follows a stage that runs"])
    busy = {stage.unit for stage in plan.stages.values()}
    plan.up_to_date = [subject for subject in subjects if subject not in busy and subject not in plan.broken]
    return plan


def look(root: Path, subjects: Sequence[str], redefined: dict[str, list[str]] | None = None) -> Graph:
    """The graph and status of what may have changed; units known to be up to date are left out.

    DVC is asked about those of which that cannot be told from the files they share.  Where a shared stage is stale
    every subject is part of the graph, because any of them may be downstream of it.
    """
    memory = Memory(root)
    recalled = {unit: memory.recall(unit) for unit in (SHARED, *subjects)}
    unknown = [unit for unit, stages in recalled.items() if stages is None]
    graph = _read(root, memory, [unit for unit in unknown if unit != SHARED]) if unknown else Graph()
    shared = graph.of(SHARED) if unknown else recalled[SHARED] or []
    everyone = any(stage.reasons for stage in shared)
    wanted = {
        unit: stages
        for unit, stages in recalled.items()
        if unit != SHARED
        and stages is not None
        and (everyone or (redefined or {}).get(unit) or any(stage.reasons for stage in stages))
    }
    if not (unknown or wanted or everyone):
        return Graph()
    found = {stage.address: stage for stage in shared}  # first: subjects depend on these and on nothing else outside
    for unit in subjects:
        found |= {stage.address: stage for stage in wanted.get(unit) or graph.of(unit)}
    return Graph(found, graph.broken)


def _read(root: Path, memory: Memory, subjects: list[str]) -> Graph:
    started = time.time()
    graph = read_graph(root, subjects)
    memory.learn(graph, [SHARED, *subjects], started)
    return graph


def _chosen(graph: Graph, targets: list[Target], everything: bool) -> set[str]:
    """Addresses the targets ask for, with all they need."""
    if everything:
        return set(graph.stages)
    return graph.ancestors(
        [
            stage.address
            for target in targets
            for stage in graph.of(target.subject)
            if target.stage in (None, stage.name)
        ]
    )
