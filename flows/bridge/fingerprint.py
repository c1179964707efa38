"""Remembers which units were up to date, so that DVC need not load them to say so again.

DVC needs a tenth of a second a subject to load pipeline and lock and to look every file up, however little has
changed.  A unit that DVC found up to date is remembered with the inode, size and modification time of every file that
its answer rests on: the trust DVC's own state database places in files.  Any difference, and DVC is asked.
The file lies in ``.dvc/tmp``: it may be deleted at any time.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from flows.bridge.graph import SHARED, Graph, unit_files
from tasks.artifacts.atomic import write_text

Stat = tuple[int, int, int]
VERSION = 1
CLOCK_STEP = 0.05  # seconds a file system's clock may be behind the system's


class Memory:
    """The remembered units of one checkout.  Files are looked up once per object: make a new one for a new plan."""

    def __init__(self, root: Path):
        self.root = root
        self._path = root / ".dvc" / "tmp" / "erlnet" / "up_to_date.json"
        self._stats: dict[str, Stat | None] = {}
        self._units: dict[str, dict[str, Stat]] = {}
        self._newest: int | None = None
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            if data["version"] == VERSION:
                self._units = {
                    unit: {path: (int(a), int(b), int(c)) for path, (a, b, c) in files.items()}
                    for unit, files in data["units"].items()
                }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # absent or unreadable: DVC is asked

    def holds(self, unit: str) -> bool:
        """True where ``unit`` was up to date and none of the files behind that answer has changed since."""
        files = self._units.get(unit)
        if files is None or not files.keys() >= set(self._own_files(unit)):
            return False
        return all(self._stat(path) == stat for path, stat in files.items())

    def learn(self, graph: Graph, units: Iterable[str], read_from: float) -> None:
        """Remember those of ``units`` that ``graph`` shows as up to date, forget the others, and save.

        read_from: ``time.time()`` before DVC began to read.  A file changed since then may have been read before or
        after its change, so a unit with such a file is not remembered.
        """
        self._stats.clear()
        self._newest = int((read_from - CLOCK_STEP) * 1e9)
        for unit in units:
            stages = graph.of(unit)
            files = set(self._own_files(unit)).union(*(stage.files for stage in stages))
            stats = {path: self._stat(path) for path in sorted(files)}
            known = {path: stat for path, stat in stats.items() if stat is not None}
            clean = unit not in graph.broken and not any(stage.reasons for stage in stages)
            if clean and len(known) == len(stats):
                self._units[unit] = known
            else:
                self._units.pop(unit, None)
        text = json.dumps({"version": VERSION, "units": self._units}, separators=(",", ":"))
        write_text(self._path, text + "\n")

    def _own_files(self, unit: str) -> list[str]:
        files = [path.relative_to(self.root).as_posix() for path in unit_files(self.root, unit)]
        lock = "dvc.lock" if unit == SHARED else f"data/subjects/{unit}/dvc.lock"
        return [*files, *([lock] if (self.root / lock).exists() else []), "params.yaml"]

    def _stat(self, path: str) -> Stat | None:
        if path not in self._stats:
            try:
                result = os.stat(self.root / path)
            except OSError:
                self._stats[path] = None
            else:
                recent = self._newest is not None and result.st_ctime_ns >= self._newest
                self._stats[path] = None if recent else (result.st_ino, result.st_size, result.st_mtime_ns)
        return self._stats[path]
