"""What a change of code, parameters or inputs would make stale, and why, before anything runs.

DVC says which stages are stale.  Why stands in the difference between a stage's lock (what it was last run with) and
its definition as the code of today would write it: the parameter with both values, the file of its import closure, the
input.  Subjects for which the same is true are told of together, so that two hundred of them stay readable.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from flows.bridge.graph import SHARED
from flows.bridge.planner import Plan
from flows.pipeline import PipelineWriter
from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.lock import StageLock, read_lock
from tasks.artifacts.subject import read_subject
from tasks.errors import TaskError

Kind = Literal["never run", "command", "parameter", "code", "input", "output", "other"]
ANY = "ID"  # stands for the subject in what is said of several
_WORDS = {"modified": "changed", "deleted": "is gone", "new": "is new", "not in cache": "is not in the cache"}


@dataclass(frozen=True, order=True)
class Reason:
    """text: what is different, with the subject's id replaced by ANY."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class StageReasons:
    """because: empty for a stage that only follows one that runs."""

    name: str
    because: tuple[Reason, ...]


@dataclass(frozen=True)
class Group:
    """Subjects of one profile of which the same is true.

    seconds: sum of the last runs of the stages to run; unknown: how many of those have no finished run on record.
    """

    subjects: list[str]
    profile: str
    stages: tuple[StageReasons, ...]
    seconds: float
    unknown: int


@dataclass(frozen=True)
class Upgrade:
    """groups: most subjects first.  shared: the root's stages.  The other lists are the plan's."""

    groups: list[Group]
    shared: tuple[StageReasons, ...]
    up_to_date: list[str]
    quarantined: list[str]
    frozen: list[str]
    broken: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def explain(root: Path, plan: Plan) -> Upgrade:
    """Why the stages of ``plan`` (made without writing) would run.  Nothing is written."""
    writer = PipelineWriter(root)
    today = _Today(root, writer)
    stages: dict[str, list[StageReasons]] = defaultdict(list)
    for address, stage in plan.stages.items():
        said = plan.reasons[address]
        follows = not stage.reasons and said == ["follows a stage that runs"]
        if stage.unit == SHARED or stage.source:
            because = () if follows else tuple(_of_dvc(said, stage.unit, None))
        else:
            because = () if follows else today.reasons(stage.unit, stage.name, said)
        stages[stage.unit].append(StageReasons(stage.name, because))
    gathered: dict[tuple[str, tuple[StageReasons, ...]], list[str]] = defaultdict(list)
    for subject, found in stages.items():
        if subject != SHARED:
            gathered[today.profile(subject), tuple(found)].append(subject)
    groups = [_group(root, subjects, profile, found) for (profile, found), subjects in gathered.items()]
    groups.sort(key=lambda group: (-len(group.subjects), group.subjects))
    return Upgrade(
        groups, tuple(stages.get(SHARED, ())), plan.up_to_date, plan.quarantined, plan.frozen, dict(plan.broken)
    )


class _Today:
    """The stages as today's code and parameters define them, one definition a profile."""

    def __init__(self, root: Path, writer: PipelineWriter):
        self.root, self.writer = root, writer
        self.params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
        self.md5 = lru_cache(maxsize=None)(self._md5)
        self.definition = lru_cache(maxsize=None)(self._definition)
        self.lock = lru_cache(maxsize=2)(self._lock)  # stages of one subject follow each other
        self.profile = lru_cache(maxsize=None)(self._profile)

    def _lock(self, subject: str) -> dict[str, StageLock]:
        return read_lock(SubjectFolder.of(subject, self.root).lock)

    def _profile(self, subject: str) -> str:
        return read_subject(SubjectFolder.of(subject, self.root).record).profile

    def reasons(self, subject: str, name: str, said: list[str]) -> tuple[Reason, ...]:
        """said: DVC's own words, which are taken over for data, where only it keeps hashes."""
        try:
            lock = self.lock(subject).get(name)
        except TaskError as error:
            return (Reason("other", str(error)),)
        if lock is None:
            return (Reason("never run", "was never run to its end"),)
        new = self.definition(self.profile(subject)).get(name, {})
        found = {
            *self._commands(subject, lock, new),
            *self._parameters(lock, new),
            *self._code(subject, lock, new),
            *(reason for reason in _of_dvc(said, subject, lock) if reason.kind in ("input", "output")),
        }
        return tuple(sorted(found)) or tuple(_of_dvc(said, subject, lock))

    def _definition(self, profile: str) -> dict[str, Any]:
        return yaml.safe_load(self.writer.render(ANY.lower(), profile))["stages"]

    def _commands(self, subject: str, lock: StageLock, new: dict[str, Any]) -> Iterator[Reason]:
        old = lock.cmd.replace(f"--subject {subject} ", f"--subject {ANY.lower()} ")
        if old != new.get("cmd", old):
            yield Reason("command", f"{old!r} -> {new['cmd']!r}")

    def _parameters(self, lock: StageLock, new: dict[str, Any]) -> Iterator[Reason]:
        for entry in new.get("params", []):
            for file, keys in entry.items():
                for key in keys:
                    before = lock.params.get(file, {}).get(key, _ABSENT)
                    yield from _differences(key, before, _value(self.params, key))

    def _code(self, subject: str, lock: StageLock, new: dict[str, Any]) -> Iterator[Reason]:
        deps = {path for path in new.get("deps", []) if not path.startswith("data/")}
        before = {path for path in lock.deps if not path.startswith("data/")}
        for path in sorted(deps & before):
            if self.md5(path) != lock.deps[path].md5:
                yield Reason("code", f"{path} changed")
        yield from (Reason("code", f"{path} is used now") for path in sorted(deps - before))
        yield from (Reason("code", f"{path} is no longer used") for path in sorted(before - deps))

    def _md5(self, path: str) -> str:
        try:
            return hashlib.md5((self.root / path).read_bytes(), usedforsecurity=False).hexdigest()
        except OSError:
            return "missing"


_ABSENT = object()


def _value(tree: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return _ABSENT
        tree = tree[part]
    return tree


def _differences(key: str, old: Any, new: Any) -> Iterator[Reason]:
    """Leaf by leaf, so that one line names one parameter."""
    if isinstance(old, dict) and isinstance(new, dict):
        for inner in sorted({*old, *new}, key=str):
            yield from _differences(f"{key}.{inner}", old.get(inner, _ABSENT), new.get(inner, _ABSENT))
    elif old is _ABSENT and new is not _ABSENT:
        yield Reason("parameter", f"{key}: unset -> {new}")
    elif new is _ABSENT and old is not _ABSENT:
        yield Reason("parameter", f"{key}: {old} -> unset")
    elif old != new:
        yield Reason("parameter", f"{key}: {old} -> {new}")


def _of_dvc(said: list[str], subject: str, lock: StageLock | None) -> Iterator[Reason]:
    for text in said:
        path, _, how = text.partition(" ")
        known = path.replace(f"data/subjects/{subject}/", f"data/subjects/{ANY}/")
        if path.startswith("data/"):
            output = lock is not None and path in lock.outs
            yield Reason("output" if output else "input", f"{known} {_WORDS.get(how, how)}")
        elif path.startswith(("tasks/", "models/")):
            yield Reason("code", f"{path} {_WORDS.get(how, how)}")
        else:
            yield Reason("other", f"{known} {how}".strip())


def _group(root: Path, subjects: list[str], profile: str, stages: tuple[StageReasons, ...]) -> Group:
    seconds, unknown = 0.0, 0
    for subject in subjects:
        runs = SubjectFolder.of(subject, root).runs
        for stage in stages:
            record = run_record.read(runs, stage.name)
            if record and record.outcome == "done":
                seconds += record.seconds
            else:
                unknown += 1
    return Group(sorted(subjects), profile, stages, seconds, unknown)
