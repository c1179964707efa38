"""Which objects of DVC's cache belong to whom: what every lock refers to, what is there, what git's history refers to.

An object is named by the md5 of its content.  DVC's own ``gc`` knows one owner, the whole checkout; removing one person
and showing what one person costs need to know whose an object is, and whether anybody else's lock names it too.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from flows.bridge.graph import PRIOR
from tasks.artifacts.layout import PriorFolder
from tasks.artifacts.lock import read_added, read_lock
from tasks.code_history import past_locks
from tasks.errors import BadInput, StageFailed

OID = re.compile(r"[0-9a-f]{32}(\.dir)?")
_MD5 = re.compile(r"^\s*(?:- )?md5: ([0-9a-f]{32}(?:\.dir)?)\s*$", re.MULTILINE)
_PASSED_BY = {".git", ".venv", ".dvc", ".prefect", "__pycache__", "node_modules"}
SHARED = "shared"


@dataclass(frozen=True)
class Cache:
    """The local cache.  files: where objects lie.  runs: DVC's run cache: command, inputs and outputs of past runs."""

    files: Path
    runs: Path

    def path(self, oid: str) -> Path:
        return self.files / oid[:2] / oid[2:]

    def objects(self) -> dict[str, int]:
        """Bytes of every object that is there, by name."""
        found = {}
        for folder in sorted(self.files.glob("[0-9a-f][0-9a-f]")):
            for entry in os.scandir(folder):
                oid = folder.name + entry.name
                if OID.fullmatch(oid) and entry.is_file(follow_symlinks=False):
                    found[oid] = entry.stat().st_size
        return found

    def run_entries(self) -> Iterator[tuple[Path, str, set[str]]]:
        """Every remembered run: its file, its command, and the objects that it wrote."""
        for path in sorted(self.runs.glob("??/*/*")):
            try:
                data = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
                yield path, str(data["cmd"]), {str(out["md5"]) for out in data.get("outs") or [] if out.get("md5")}
            except (OSError, yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
                yield path, "", set()


def local_cache(root: Path) -> Cache:
    """Raises BadInput for a cache outside the checkout: others may use it, whose locks are not here."""
    from dvc.config import Config

    config = Config(str(root / ".dvc"))
    folder = Path(config["cache"].get("dir") or root / ".dvc" / "cache")
    folder = folder if folder.is_absolute() else root / ".dvc" / folder
    if not folder.resolve().is_relative_to(root.resolve()):
        raise BadInput(
            f"DVC's cache is {folder}, outside this checkout: others may use it, so nothing is deleted there from here"
        )
    return Cache(folder / "files" / "md5", folder / "runs")


def references(root: Path) -> dict[str, set[str]]:
    """Objects that every lock and ``.dvc`` file below ``root`` refers to, by owner.

    Owner: the name of a folder of ``data/subjects`` (also of one that is being built or replaced), PRIOR for the corpus
    prior, else SHARED.  Inputs count like outputs.  Raises DamagedArtifact where a file cannot be read: then nothing
    may be held to be unused.
    """
    found: dict[str, set[str]] = {}
    for path in lock_files(root):
        owned = found.setdefault(owner(root, path), set())
        if path.name.endswith(".dvc"):
            owned.update(file.md5 for file in read_added(path))
            continue
        for stage in read_lock(path).values():
            owned.update(file.md5 for file in (*stage.deps.values(), *stage.outs.values()) if file.md5)
    return found


def owner(root: Path, path: Path) -> str:
    """Whose a path is: the folder of ``data/subjects`` it lies in, PRIOR or SHARED."""
    if path.is_relative_to(PriorFolder.of(root).root):
        return PRIOR
    parts = path.relative_to(root).parts
    return parts[2] if parts[:2] == ("data", "subjects") and len(parts) > 3 else SHARED


def lock_files(root: Path) -> Iterator[Path]:
    """Every ``dvc.lock`` and ``.dvc`` file of the checkout, in folders that git or DVC ignore too."""
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _PASSED_BY)
        for name in sorted(names):
            if name == "dvc.lock" or (name.endswith(".dvc") and name != ".dvc"):
                yield Path(place) / name


def with_contents(cache: Cache, oids: Iterable[str]) -> set[str]:
    """``oids`` and, for folders among them, what those hold.

    Raises StageFailed for a folder whose list is not in the cache: what it holds cannot be known.
    """
    found = set(oids)
    for oid in [oid for oid in found if oid.endswith(".dir")]:
        try:
            found.update(entry["md5"] for entry in json.loads(cache.path(oid).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            raise StageFailed(
                f"the list of the folder {oid} is not in DVC's cache, so what it holds is not known: 'dvc fetch' first"
            ) from None
    return found


def in_history(root: Path) -> set[str]:
    """Objects that the locks and ``.dvc`` files of any commit of git refer to."""
    return {oid for _, text in past_locks(root) for oid in _MD5.findall(text.decode(errors="replace"))}
