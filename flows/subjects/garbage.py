"""Frees the cache of what no lock refers to; never touches what any lock does.

A lock of a frozen or quarantined subject counts, and that of a subject that is being built or replaced.  Where one lock
cannot be read nothing is deleted.  DVC's repository lock is held throughout: a stage puts its outputs into the cache
and names them in its lock in one go under that lock, so that none is ever seen between the two.
"""

from dataclasses import dataclass
from pathlib import Path

from flows.subjects.objects import Cache, in_history, local_cache, references, with_contents


@dataclass(frozen=True)
class Garbage:
    """unused: bytes of every object no lock refers to.  kept: how many objects stay.  runs: entries of the run cache
    that name an unused object."""

    unused: dict[str, int]
    kept: int
    runs: list[Path]

    @property
    def bytes(self) -> int:
        return sum(self.unused.values())


def collect(root: Path, delete: bool = False, history: bool = False) -> Garbage:
    """Find what is unused and, with ``delete``, delete it.

    history: keep what the locks of any commit refer to as well, so that an earlier state can be checked out again.
    Raises BadInput for a cache that is not this checkout's own, DamagedArtifact for a lock that cannot be read.
    """
    from dvc.repo import Repo, lock_repo

    cache = local_cache(root)
    with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):
        garbage = _find(root, cache, history)
        if delete:
            for oid in garbage.unused:
                cache.path(oid).unlink(missing_ok=True)
            for path in garbage.runs:
                path.unlink(missing_ok=True)
    return garbage


def _find(root: Path, cache: Cache, history: bool) -> Garbage:
    there = cache.objects()
    used = set().union(*references(root).values(), in_history(root) if history else set())
    used = with_contents(cache, used)
    unused = {oid: size for oid, size in there.items() if oid not in used}
    runs = [path for path, _, outs in cache.run_entries() if not outs.isdisjoint(unused)]
    return Garbage(unused, len(there) - len(unused), runs)
