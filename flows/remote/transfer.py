"""Moves the artifacts of one subject, or of the shared stages, between this checkout and DVC's default remote.

    python -m flows.remote.transfer push [--subject ID]
    python -m flows.remote.transfer pull [--subject ID]

``dvc push`` and ``dvc pull`` load every pipeline of the checkout, a tenth of a second a subject; this loads one unit.
A program of its own because DVC's library does not protect threads from each other, and because it can be ended.
Exit status 1 with one line where the remote cannot be reached or lacks something.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.bridge.graph import SHARED, unit_files
from tasks.artifacts.layout import check_subject_id, repository_root
from tasks.errors import StageFailed, TaskError

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage as DvcStage


def push(root: Path, unit: str) -> int:
    """Copy to the remote every output that the lock of ``unit`` names and that is in this cache; returns how many."""
    from dvc.repo import Repo

    with Repo(str(root), _wait_for_lock=True) as repo:
        _, stages = _load(repo, root, [unit])
        present = [hash_info for hash_info in _hashes(stages) if repo.cache.local.exists(hash_info.value)]
        if not present:
            return 0
        return _moved(repo.cloud.push(present), "push to")


def pull(root: Path, unit: str) -> int:
    """Fetch what ``unit`` lacks of outputs that need not be computed, and put it in place; returns how many files.

    An output need not be computed where nothing about its stage changed since the lock was written: its definition, its
    parameters, and its dependencies, of which one that is missing itself counts as its own stage's lock has it.
    """
    from dvc.repo import Repo, lock_repo

    with Repo(str(root), _wait_for_lock=True) as repo:
        graph, stages = _load(repo, root, [SHARED, unit] if unit != SHARED else [SHARED])
        lacking = [stage for stage in _unchanged(graph, stages) if any(not out.exists for out in stage.outs)]
        wanted = [
            hash_info for hash_info in _hashes(lacking, missing=True) if not repo.cache.local.exists(hash_info.value)
        ]
        if wanted:
            _moved(repo.cloud.pull(wanted), "pull from")
        count = sum(not out.exists for stage in lacking for out in stage.outs)
        with lock_repo(repo):
            for stage in lacking:
                stage.checkout(allow_missing=True)
        return count


def _load(repo: "Repo", root: Path, units: Iterable[str]) -> tuple[Any, list["DvcStage"]]:
    """DVC's graph of ``units``, and their stages, upstream first."""
    import networkx
    from dvc.repo.index import Index

    indexes = [Index.from_file(repo, str(path)) for unit in units for path in unit_files(root, unit)]
    graph = Index.from_indexes(repo, indexes).graph
    return graph, list(networkx.topological_sort(graph.reverse(copy=False)))


def _unchanged(graph: Any, stages: list["DvcStage"]) -> list["DvcStage"]:
    good: list[DvcStage] = []
    for stage in stages:
        upstream = list(graph.successors(stage))
        if all(other in good for other in upstream) and not _changed(stage, upstream):
            good.append(stage)
    return good


def _changed(stage: "DvcStage", upstream: list["DvcStage"]) -> bool:
    if any(out.use_cache and not out.hash_info for out in stage.outs):  # never run
        return True
    if stage.is_data_source or stage.frozen:
        return False
    # Without DVC's lock on the dependencies, as in flows/bridge/graph.py: looking needs none.
    look: Any = type(stage)._changed_deps
    return bool(
        stage.always_changed or stage.changed_stage() or look.__wrapped__(stage, allow_missing=True, upstream=upstream)
    )


def _hashes(stages: Iterable["DvcStage"], missing: bool = False) -> list[Any]:
    """Hashes of the outputs of ``stages`` that DVC caches; with ``missing`` of those that are not in their place."""
    return [
        out.hash_info
        for stage in stages
        for out in stage.outs
        if out.use_cache and out.hash_info and not (missing and out.exists)
    ]


def _moved(result: Any, what: str) -> int:
    if result.failed:
        raise StageFailed(f"{len(result.failed)} files could not be moved: {what} DVC's remote failed")
    return len(result.transferred)


def main(argv: list[str] | None = None) -> int:
    """Entry point; the project's errors, DVC's and the storage's become one line."""
    parser = argparse.ArgumentParser(prog="python -m flows.remote.transfer", description=__doc__)
    parser.add_argument("action", choices=("push", "pull"))
    parser.add_argument("--subject", help="id of the subject; the shared stages by default")
    arguments = parser.parse_args(argv)
    try:
        unit = check_subject_id(arguments.subject) if arguments.subject else SHARED
        count = (push if arguments.action == "push" else pull)(repository_root(), unit)
    except TaskError as error:
        print(f"transfer: error: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # DVC lets through whatever its storage libraries raise, of dozens of kinds
        print(f"transfer: error: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    print(f"{arguments.action}: {count} files")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
