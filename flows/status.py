"""Where every stage of every subject stands: DVC's word on what is stale, the run records' on what runs or failed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flows.bridge.planner import look
from flows.gates import stopped_at_the_gates
from flows.pipeline import CORPUS_STAGES, PipelineWriter
from tasks.artifacts import run_record
from tasks.artifacts.frozen import read_frozen
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import read_subject
from tasks.errors import TaskError

State = Literal["done", "stale", "running", "failed", "quarantined", "frozen", "unused"]


@dataclass(frozen=True)
class StageStatus:
    """message: why it is stale or failed.  seconds: what its last finished run took, if there is a record of one."""

    state: State
    message: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class SubjectStatus:
    """error: why the subject's files cannot be read; its stages are then all ``failed``.

    frozen: since when and why it is left alone; empty where it is not.  quarantined: for what reasons, likewise.
    """

    id: str
    profile: str
    style: str
    stages: dict[str, StageStatus]
    error: str = ""
    frozen: str = ""
    quarantined: list[str] = field(default_factory=list)


def subject_states(root: Path, subjects: Iterable[str]) -> list[SubjectStatus]:
    """The state of ``subjects``, in their order.  Nothing is written into their folders."""
    subjects = list(subjects)
    writer = PipelineWriter(root)
    errors: dict[str, str] = {}
    redefined: dict[str, list[str]] = {}
    for subject in subjects:
        if stopped_at_the_gates(SubjectFolder.of(subject, root)):
            continue
        try:
            redefined[subject] = writer.changed_stages(SubjectFolder.of(subject, root))
        except (TaskError, FileNotFoundError, SyntaxError) as error:
            errors[subject] = str(error)
    graph = look(root, list(redefined), redefined)
    errors |= {unit: why for unit, why in graph.broken.items() if unit}
    reasons = {
        address: ", ".join(stage.reasons) or "its definition changed"
        for address, stage in graph.stages.items()
        if stage.reasons or stage.name in redefined.get(stage.unit, ())
    }
    affected = graph.affected(reasons)
    # A subject that was left out because nothing of it changed has no stage in the graph: all its stages are done.
    stale = {
        (graph.stages[address].unit, graph.stages[address].name): reasons.get(address, "follows a stage that is stale")
        for address in affected
    }
    names = writer.stage_names
    return [_subject(root, subject, names, stale, errors.get(subject, "")) for subject in subjects]


def _subject(
    root: Path, subject: str, names: list[str], stale: dict[tuple[str, str], str], error: str
) -> SubjectStatus:
    folder = SubjectFolder.of(subject, root)
    try:
        record = read_subject(folder.record)
        thaw = read_frozen(folder.frozen)
    except TaskError as damage:
        return SubjectStatus(subject, "?", "?", {name: StageStatus("failed") for name in names}, str(damage))
    if error:
        stages = {name: StageStatus("failed") for name in names}
        return SubjectStatus(subject, record.profile, record.style, stages, error)
    quarantined = "; ".join(record.reasons) or "quarantined" if record.status == "quarantined" else None
    frozen = " ".join(filter(None, [f"since {thaw.since}", thaw.reason and f"({thaw.reason})"])) if thaw else ""
    if stopped_at_the_gates(folder):
        stages = {name: StageStatus("quarantined", quarantined or "") for name in names}
        return SubjectStatus(subject, record.profile, record.style, stages, quarantined=record.reasons)
    stages = {name: _stage(folder, name, stale.get((subject, name)), quarantined, frozen) for name in names}
    if record.use == "corpus":
        stages |= {name: StageStatus("unused") for name in names if name not in CORPUS_STAGES}
    return SubjectStatus(subject, record.profile, record.style, stages, frozen=frozen, quarantined=record.reasons)


def _stage(folder: SubjectFolder, name: str, stale: str | None, quarantined: str | None, frozen: str) -> StageStatus:
    run = run_record.read(folder.runs, name)
    seconds = run.seconds if run and run.outcome == "done" else None
    if run and run.outcome == "running":
        return StageStatus("running", f"process {run.pid}")
    if stale is None:
        return StageStatus("done", seconds=seconds)
    if quarantined:
        return StageStatus("quarantined", quarantined)
    if frozen:
        return StageStatus("frozen", stale)
    if run and run.outcome in ("failed", "killed"):
        return StageStatus("failed", run.message)
    return StageStatus("stale", stale, seconds)
