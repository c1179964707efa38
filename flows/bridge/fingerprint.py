"""Remembers which units were up to date, so that DVC need not load them to say what has changed since.

DVC needs a tenth of a second a subject to load pipeline and lock and to look every file up, however little has
changed.  Of a unit that DVC found up to date two things are remembered.  Its own files by inode, size and modification
time, the trust DVC's own state database places in files: any difference, and DVC is asked.  And what it shares with the
others, code and parameters, by content too: then a difference says by itself which stages are stale, and the whole
fleet need not be loaded because one module was edited, or only touched.
The file lies in ``.dvc/tmp``: it may be deleted at any time.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.bridge.graph import SHARED, Graph, Stage, unit_files
from tasks.artifacts.atomic import write_text

Stat = tuple[int, int, int]
VERSION = 2
CLOCK_STEP = 0.05  # seconds a file system's clock may be behind the system's
LARGEST = 16 << 20  # bytes of a shared file that is worth reading to see whether only its time has changed
PARAMS = "params.yaml"


class Memory:
    """The remembered units of one checkout.  Files are looked up once per object: make a new one for a new plan."""

    def __init__(self, root: Path):
        self.root = root
        self._path = root / ".dvc" / "tmp" / "erlnet" / "up_to_date.json"
        self._stats: dict[str, Stat | None] = {}
        self._differences: dict[str, dict[str, str] | None] = {}
        self._newest: int | None = None
        self._data: dict[str, Any] = {"version": VERSION, "units": {}, "snapshots": {}, "lists": {}}
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            if data["version"] == VERSION and data.keys() == self._data.keys():
                self._data = data
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # absent or unreadable: DVC is asked

    def recall(self, unit: str) -> list[Stage] | None:
        """The stages of ``unit``, with what has changed under them since DVC found them up to date.

        None where that is not known: DVC has to be asked.
        """
        known = self._data["units"].get(unit)
        if known is None or not known["own"].keys() >= set(self._own_files(unit)):
            return None
        if not all(self._stat(path) == tuple(stat) for path, stat in known["own"].items()):
            return None
        differences = self._since(known["snapshot"])
        if differences is None:
            return None
        lists = self._data["lists"]
        stages = []
        for entry in known["stages"]:
            shared, keys = lists[entry["shared"]], lists[entry["params"]]
            stage = Stage(
                address=entry["address"], unit=unit, name=entry["name"], upstream=tuple(entry["upstream"]),
                source=entry["source"], files=(*entry["files"], *shared), params=tuple(keys),
            )  # fmt: skip
            changed = [f"{name} {differences[name]}" for name in (*keys, *shared) if name in differences]
            stages.append(replace(stage, reasons=tuple(changed)) if changed else stage)
        return stages

    def learn(self, graph: Graph, units: Iterable[str], read_from: float) -> None:
        """Remember those of ``units`` that ``graph`` shows as up to date, forget the others, and save.

        read_from: ``time.time()`` before DVC began to read.  A file changed since then may have been read before or
        after its change, so a unit with such a file is not remembered.
        """
        self._stats.clear()
        self._newest = int((read_from - CLOCK_STEP) * 1e9)
        units = list(units)
        clean = {unit: graph.of(unit) for unit in units if unit not in graph.broken}
        clean = {unit: stages for unit, stages in clean.items() if not any(stage.reasons for stage in stages)}
        snapshot = self._snapshot(stage for stages in clean.values() for stage in stages)
        for unit in units:
            known = self._describe(unit, clean[unit], snapshot) if unit in clean else None
            if known is None:
                self._data["units"].pop(unit, None)
            else:
                self._data["units"][unit] = known
        self._drop_unused()
        with contextlib.suppress(OSError):  # disk full or read-only: DVC is asked again the next time
            write_text(self._path, json.dumps(self._data, separators=(",", ":")) + "\n")

    def _drop_unused(self) -> None:
        known = self._data["units"].values()
        stages = [stage for unit in known for stage in unit["stages"]]
        used = {unit["snapshot"] for unit in known} | {stage[kind] for stage in stages for kind in ("shared", "params")}
        for kind in ("snapshots", "lists"):
            self._data[kind] = {name: item for name, item in self._data[kind].items() if name in used}

    def _describe(self, unit: str, stages: list[Stage], snapshot: str) -> dict[str, Any] | None:
        own = {*self._own_files(unit), *(file for stage in stages for file in stage.files if _belongs(file, unit))}
        stats = {path: self._stat(path) for path in sorted(own)}
        shared = {file for stage in stages for file in stage.files if not _belongs(file, unit)} - {PARAMS}
        if None in stats.values() or not shared <= self._data["snapshots"][snapshot]["files"].keys():
            return None
        entries = [
            {
                "address": stage.address,
                "name": stage.name,
                "upstream": stage.upstream,
                "source": stage.source,
                "files": [file for file in stage.files if _belongs(file, unit)],
                "shared": self._list([file for file in stage.files if not _belongs(file, unit) and file != PARAMS]),
                "params": self._list(list(stage.params)),
            }
            for stage in stages
        ]
        return {"own": stats, "snapshot": snapshot, "stages": entries}

    def _list(self, items: list[str]) -> str:
        """The name a list is kept under; that of the code of a stage is the same for every subject."""
        name = _name(items)
        self._data["lists"][name] = items
        return name

    def _snapshot(self, stages: Iterable[Stage]) -> str:
        """Take down what all share as it is now; returns the name it is kept under."""
        files: dict[str, Any] = {}
        keys: set[str] = set()
        for stage in stages:
            keys.update(stage.params)
            for file in stage.files:
                if not _belongs(file, stage.unit) and file != PARAMS and file not in files:
                    files[file] = None
        for file in files:
            stat = self._stat(file)
            files[file] = None if stat is None else [*stat, self._digest(file)]
        files = {file: entry for file, entry in sorted(files.items()) if entry is not None}
        stat = self._stat(PARAMS)
        snapshot = {"files": files, "params": self._values(sorted(keys)), "params_file": stat and list(stat)}
        name = _name(snapshot)
        self._data["snapshots"][name] = snapshot
        return name

    def _since(self, name: str) -> dict[str, str] | None:
        """What of a snapshot is different now: ``modified`` or ``deleted`` by file or parameter; None: unknown."""
        if name not in self._differences:
            self._differences[name] = self._compare(self._data["snapshots"][name])
        return self._differences[name]

    def _compare(self, snapshot: dict[str, Any]) -> dict[str, str] | None:
        if snapshot["params_file"] is None:  # it was being written
            return None
        found = {}
        for file, (*before, digest) in snapshot["files"].items():
            now = self._stat(file)
            if now is None:
                found[file] = "deleted"
            elif now != tuple(before):
                if digest is None:
                    return None
                if self._digest(file) != digest:
                    found[file] = "modified"
        if self._stat(PARAMS) == tuple(snapshot["params_file"]):
            return found
        values = self._values(list(snapshot["params"]))
        for key, value in snapshot["params"].items():
            if values.get(key) != value:
                found[key] = "modified" if key in values else "deleted"
        return found

    def _digest(self, file: str) -> str | None:
        """Of a file that is small enough; None for others, and for folders."""
        path = self.root / file
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def _values(self, keys: list[str]) -> dict[str, Any]:
        """Values of dotted ``keys`` in params.yaml, read as DVC reads it; those that are not there are left out."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        try:
            data = YAML(typ="safe").load(self.root / PARAMS)
        except (OSError, YAMLError):
            return {}
        values: dict[str, Any] = {}
        for key in keys:
            value = data
            for part in key.split("."):
                if not isinstance(value, dict) or part not in value:
                    break
                value = value[part]
            else:
                values[key] = json.loads(json.dumps(value, default=str))
        return values

    def _own_files(self, unit: str) -> list[str]:
        files = [path.relative_to(self.root).as_posix() for path in unit_files(self.root, unit)]
        lock = "dvc.lock" if unit == SHARED else f"data/subjects/{unit}/dvc.lock"
        return [*files, *([lock] if (self.root / lock).exists() else [])]

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


def _name(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _belongs(file: str, unit: str) -> bool:
    """Whether nobody but ``unit`` has to do with the file; of the shared stages, the assets they make."""
    return file.startswith("data/assets/") if unit == SHARED else file.startswith(f"data/subjects/{unit}/")
