"""Mends what a kill or a power cut left of DVC's own files.

DVC writes the table of files in use, and the lock file of a pipeline, in place: ended in the middle of that it leaves
half a file, over which every later command stumbles.  Nothing that took work is lost with them.  The table is about
processes that are gone, and what a lock file knew DVC's run cache knows too: the stages come back without being run.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import yaml

from flows.bridge.graph import PRIOR, SHARED
from tasks.artifacts.atomic import write_text
from tasks.artifacts.layout import PriorFolder, SubjectFolder

_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


def pipeline_folder(root: Path, unit: str) -> Path:
    """The folder of a unit's pipeline and lock."""
    if unit == PRIOR:
        return PriorFolder.of(root).root
    return root if unit == SHARED else SubjectFolder.of(unit, root).root


def release_dead_locks(root: Path) -> bool:
    """Take processes that are gone out of DVC's table of files in use; returns whether there were any.

    DVC does so itself where no process has that number.  After a restart some other program often has it, and DVC
    would wait for that; so it would for a process that is dead and only not yet collected by its parent.
    """
    path = root / ".dvc" / "tmp" / "rwlock"
    try:
        if not _dead(_read_table(path)):
            return False
    except ValueError:
        pass  # torn, or being written in this moment: looked at again with the guard
    except OSError:
        return False
    from dvc.lock import make_lock

    with make_lock(str(path.with_name("rwlock.lock")), tmp_dir=str(path.parent), wait=True):
        try:
            table = _read_table(path)
        except ValueError:
            table = {"write": {}, "read": {}}
        else:
            dead = _dead(table)
            table["write"] = {name: info for name, info in table["write"].items() if info not in dead}
            readers = {name: [info for info in infos if info not in dead] for name, infos in table["read"].items()}
            table["read"] = {name: infos for name, infos in readers.items() if infos}
        write_text(path, json.dumps(table))
    return True


def _read_table(path: Path) -> dict[str, Any]:
    """Raises ValueError where it is not what DVC writes."""
    data = json.loads(path.read_text(encoding="utf-8"))
    try:
        readers = {name: list(infos) for name, infos in data.get("read", {}).items()}
        table = {"write": dict(data.get("write", {})), "read": readers}
        _dead(table)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no table of files in use") from error
    return table


def _holders(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [*table["write"].values(), *(info for infos in table["read"].values() for info in infos)]


def _dead(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [info for info in _holders(table) if not _runs(int(info["pid"]), str(info["cmd"]))]


def _runs(pid: int, command: str) -> bool:
    """Whether process ``pid`` is the one that DVC noted down: it has the words that stood behind the program's name."""
    try:
        process = psutil.Process(pid)
        words = " ".join(process.cmdline())
        return process.status() != psutil.STATUS_ZOMBIE and words.endswith(" ".join(command.split()[1:]))
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def remove_torn_locks(root: Path, units: Iterable[str]) -> list[str]:
    """Remove ``dvc.lock`` of those of ``units`` where it is half a file; returns them."""
    from dvc.repo import Repo, lock_repo

    suspects = [unit for unit in units if _torn(pipeline_folder(root, unit) / "dvc.lock")]
    if not suspects:
        return []
    removed = []
    with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):  # whoever was writing it has done so now
        for unit in suspects:
            path = pipeline_folder(root, unit) / "dvc.lock"
            if _torn(path):
                path.unlink()
                removed.append(unit)
    return removed


def _torn(lock: Path) -> bool:
    """Whether the file is there and is not the whole of what DVC writes."""
    try:
        text = lock.read_text(encoding="utf-8")
        if not text:
            return False  # to DVC as good as none
        # The loader in C: there may be hundreds of locks of thousands of lines.
        data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        items = [item for stage in data["stages"].values() for item in [*stage.get("deps", []), *stage.get("outs", [])]]
        return not (text.endswith("\n") and all(_MD5.fullmatch(item["md5"]) for item in items))
    except FileNotFoundError:
        return False
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
        return True


def remove_damaged(root: Path, unit: str, name: str) -> list[str]:
    """Compare the files that a stage or a ``.dvc`` file brought from DVC's cache with their checksums.

    DVC trusts whatever is in its cache.  What is not as recorded is removed, from its place and from the cache, so that
    it is made again; returns these files, relative to ``root``.
    """
    removed = []
    for path, digest in _recorded(root, unit, name):
        if path.is_file() and _md5(path) != digest:
            from dvc.repo import Repo

            with Repo(str(root)) as repo:
                cached = Path(repo.cache.local.oid_to_path(digest))
            for file in (path, cached):
                file.unlink(missing_ok=True)
            removed.append(os.path.relpath(path, root))
    return removed


def _recorded(root: Path, unit: str, name: str) -> list[tuple[Path, str]]:
    """Outputs and their md5, as lock file or ``.dvc`` file have them; folders, whose md5 is of their listing, aside."""
    if name.endswith(".dvc"):
        base, entry = (root / name).parent, yaml.safe_load((root / name).read_text(encoding="utf-8"))
    else:
        lock = pipeline_folder(root, unit) / "dvc.lock"
        base, entry = root, yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"][name]
    outs = [out for out in entry["outs"] if len(out.get("md5", "")) == 32]
    return [(base / out["path"], out["md5"]) for out in outs]


def _md5(path: Path) -> str:
    """As DVC names a file's content; no safeguard against forgery."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
