"""What every subject costs on this disk: its folder, and its objects of DVC's cache, its own and those it shares."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from flows.bridge.graph import subject_ids
from flows.subjects.objects import local_cache, references


@dataclass(frozen=True)
class Usage:
    """Bytes.  folder: files in the subject's folder but for its checkpoints.  previous: the state before a re-source.

    own: cache objects that only this subject's locks name; together they go when it is removed.  shared: those that
    others name too (a head model, the same source video).
    """

    subject: str
    folder: int
    checkpoints: int
    previous: int
    own: int
    shared: int


@dataclass(frozen=True)
class Disk:
    """cache: bytes of the whole cache; unused: of the objects no lock names, which 'erlnet gc' frees.  free: left on
    the file system."""

    subjects: list[Usage]
    cache: int
    unused: int
    free: int


def usage(root: Path) -> Disk:
    """Look at everything.  Raises DamagedArtifact for a lock that cannot be read."""
    there = local_cache(root).objects()
    named = {name: oids & there.keys() for name, oids in references(root).items()}
    # What a subject keeps twice, now and before its re-source, is one person's all the same.
    people: dict[str, set[str]] = {}
    for name, oids in named.items():
        people.setdefault(name.removeprefix(".previous-"), set()).update(oids)
    count = Counter(oid for oids in people.values() for oid in oids)
    folder = root / "data" / "subjects"
    rows = []
    for subject in subject_ids(root):
        oids = people.get(subject, set())
        own = sum(there[oid] for oid in oids if count[oid] == 1)
        rows.append(
            Usage(
                subject,
                _bytes(folder / subject) - _bytes(folder / subject / "checkpoints"),
                _bytes(folder / subject / "checkpoints"),
                _bytes(folder / f".previous-{subject}"),
                own,
                sum(there[oid] for oid in oids) - own,
            )
        )
    total = sum(there.values())
    state = os.statvfs(root)
    return Disk(rows, total, total - sum(there[oid] for oid in count), state.f_bavail * state.f_frsize)


def _bytes(folder: Path) -> int:
    """Length of the files below ``folder``, a file with several names counted once."""
    seen: dict[tuple[int, int], int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                state = os.lstat(os.path.join(place, name))
            except FileNotFoundError:  # a stage replaces its files while we look
                continue
            seen[state.st_dev, state.st_ino] = state.st_size
    return sum(seen.values())
