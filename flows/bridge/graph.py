"""DVC's graph and status, read for a few pipeline files at a time.

``Repo().index`` loads every pipeline file of the checkout, which costs a tenth of a second a subject: too much to
onboard one more subject of two hundred.  The graph of one subject needs its own folder and the shared files at the
root, so only those are loaded; DVC still parses them, builds the graph and decides what changed.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dvc.stage import Stage as DvcStage

SHARED = ""  # the unit of the root's own stages; every other unit is a subject id
PRIOR = ".prior"  # but for that of the corpus prior, which only its own flow (flows/prior.py) looks at


@dataclass(frozen=True)
class Stage:
    """A node of DVC's graph.

    address: what ``dvc repro`` calls it, from the root.  unit: subject id, or SHARED.  reasons: why DVC holds it to be
    changed, empty where it does not.  source: a file under ``dvc add``, which is checked out rather than run.
    missing: outputs that are gone.  files: dependencies and outputs, relative to the root.  params: dotted keys of
    params.yaml it depends on.
    """

    address: str
    unit: str
    name: str
    upstream: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    source: bool = False
    missing: bool = False
    files: tuple[str, ...] = ()
    params: tuple[str, ...] = ()


@dataclass
class Graph:
    """stages: by address, upstream before downstream.  broken: units DVC could not load, with its first line."""

    stages: dict[str, Stage] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def of(self, unit: str) -> list[Stage]:
        return [stage for stage in self.stages.values() if stage.unit == unit]

    def ancestors(self, addresses: Iterable[str]) -> set[str]:
        """``addresses`` and everything upstream of them."""
        found: set[str] = set()
        waiting = list(addresses)
        while waiting:
            address = waiting.pop()
            if address not in found:
                found.add(address)
                waiting.extend(self.stages[address].upstream)
        return found

    def affected(self, addresses: Iterable[str]) -> set[str]:
        """``addresses`` and everything downstream of them."""
        found = set(addresses)
        for stage in self.stages.values():  # upstream first, so one pass reaches everything
            if found.intersection(stage.upstream):
                found.add(stage.address)
        return found


def subject_ids(root: Path) -> list[str]:
    """Ids of the registered subjects, sorted."""
    folder = root / "data" / "subjects"
    return sorted(path.parent.name for path in folder.glob("[a-z0-9]*/subject.yaml"))


def unit_files(root: Path, unit: str) -> list[Path]:
    """The pipeline file of a unit and its ``.dvc`` files: what DVC must load for it."""
    folders = [root, root / "data" / "assets"] if unit == SHARED else [root / "data" / "subjects" / unit]
    pipeline = folders[0] / "dvc.yaml"
    files = [pipeline] if pipeline.exists() else []
    for folder in folders:
        files += sorted(path for path in folder.glob("*.dvc") if path.is_file())
    return files


def read_graph(root: Path, subjects: Iterable[str], shared: bool = True) -> Graph:
    """Load the graph and the status of ``subjects`` and, if ``shared``, of the root's own stages."""
    import networkx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo
    from dvc.repo.index import Index

    graph = Graph()
    units = [*([SHARED] if shared else []), *subjects]
    owner: dict[str, str] = {}
    once = _Once()
    with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):
        indexes = []
        for unit in units:
            try:
                loaded = []
                for path in unit_files(root, unit):
                    index = Index.from_file(repo, str(path))
                    for stage in index.stages:
                        owner[_address(root, stage)] = unit
                    loaded.append(index)
            except DvcException as error:
                graph.broken[unit] = str(error).splitlines()[0]
            else:
                indexes += loaded
        dvc_graph = Index.from_indexes(repo, indexes).graph
        # DVC's edges point upstream, so the reverse topological order has what must come first in front.
        # The index's order (file by file, as written) decides between equals.
        order = {stage: number for number, stage in enumerate(stage for index in indexes for stage in index.stages)}
        for stage in networkx.lexicographical_topological_sort(dvc_graph.reverse(copy=False), key=order.__getitem__):
            address = _address(root, stage)
            upstream = tuple(
                _address(root, other) for other in sorted(dvc_graph.successors(stage), key=order.__getitem__)
            )
            once.teach(stage)
            graph.stages[address] = _read_stage(root, stage, owner[address], upstream)
    return graph


class _Once:
    """Lets DVC ask each question about a dependency once.

    The stages of all subjects depend on the same forty modules and on params.yaml, which DVC would look up, or parse,
    for each of them anew.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[Any, ...], Any] = {}

    def teach(self, stage: "DvcStage") -> None:
        """Make the dependencies of ``stage`` ask here."""
        from dvc.dependency.param import ParamsDependency

        for dep in stage.deps:
            if isinstance(dep, ParamsDependency):
                self._replace(dep, "read_params", (dep.fs_path, *dep.params))
            elif dep.protocol == "local":
                self._replace(dep, "get_hash", (dep.fs_path, dep.hash_name, dep.use_cache))

    def _replace(self, dep: Any, method: str, key: tuple[Any, ...]) -> None:
        setattr(dep, method, partial(self._ask, (method, *key), getattr(dep, method)))

    def _ask(self, key: tuple[Any, ...], question: Callable[[], Any]) -> Any:
        if key not in self._answers:
            self._answers[key] = question()
        return self._answers[key]


def _read_stage(root: Path, stage: "DvcStage", unit: str, upstream: tuple[str, ...]) -> Stage:
    from dvc.dependency.param import ParamsDependency

    address = _address(root, stage)
    entries = _status(stage)
    deps = [dep for dep in stage.deps if dep.protocol == "local"]
    return Stage(
        address=address,
        unit=unit,
        name=Path(stage.outs[0].fs_path).name if stage.is_data_source else stage.name,
        upstream=upstream,
        reasons=tuple(_reasons(entries)),
        source=bool(stage.is_data_source),
        missing=any(not out.exists for out in stage.outs),
        files=tuple(os.path.relpath(item.fs_path, root) for item in [*deps, *stage.outs] if item.fs_path),
        params=tuple(key for dep in stage.deps if isinstance(dep, ParamsDependency) for key in dep.params),
    )


def _status(stage: "DvcStage") -> list[Any]:
    """What ``dvc status`` says of the stage, without DVC's lock on its files.

    DVC locks a stage's files for reading while it looks, and gives up where a running stage writes them; worse, a stage
    that starts in that moment gives up too (``--wait-for-lock`` does not wait for these).  Looking needs no lock: what
    is being written shows as changed, which it is.
    """
    look: Any = type(stage).status
    return next(iter(look.__wrapped__(stage, check_updates=True).values()), [])


def _address(root: Path, stage: "DvcStage") -> str:
    path = Path(os.path.relpath(stage.path, root)).as_posix()
    if path.endswith(".dvc"):
        return path
    return str(stage.name) if path == "dvc.yaml" else f"{path}:{stage.name}"


def _reasons(entries: list[Any]) -> Iterable[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
            continue
        for items in entry.values():
            for path, change in items.items():
                # Parameters are nested one level deeper: {"params.yaml": {"profiles.demo.crop": "modified"}}.
                if isinstance(change, dict):
                    yield from (f"{key} {how}" for key, how in change.items())
                else:
                    yield f"{path} {change}"
