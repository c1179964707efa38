"""Gives a subject another id.  Nothing is computed again, and no artifact changes by a byte.

The folder of the new id is built whole beside the old one, with hard links to its files, and renamed into place; then
the old one goes.  A kill leaves the old subject alone, or both of them whole; the same command again ends it.

What names the id is written anew: record, pipeline file, lock.  The lock is the same statement under another name:
other commands and paths, the md5 of the record, everything else as it was, so that DVC finds every stage up to date.
Renders and the report keep the id they were made under; ``formerly`` in the record says whose that was.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from flows.subjects.folders import link_tree
from flows.subjects.known import check_idle, known
from tasks.artifacts.atomic import write_text
from tasks.artifacts.layout import SubjectFolder, check_subject_id
from tasks.artifacts.subject import read_subject, write_subject
from tasks.errors import BadInput


def rename(root: Path, old: str, new: str) -> bool:
    """Let subject ``old`` be called ``new``; returns False where that is so already.  Raises BadInput."""
    check_subject_id(old)
    check_subject_id(new)
    if old == new:
        raise BadInput(f"subject {old!r} has this id: give another one")
    source, target = SubjectFolder.of(old, root), SubjectFolder.of(new, root)
    if target.root.exists():
        _check_half_done(source, target, old)
        if not source.root.exists():
            return False
    else:
        known(root, old)
        check_idle(source)
        _build(source, target)
    _drop(source.root)
    return True


def _check_half_done(source: SubjectFolder, target: SubjectFolder, old: str) -> None:
    """The new id exists: fine only where an earlier rename of the same subject was cut short, or is done."""
    record = read_subject(target.record) if target.record.is_file() else None
    if record is None or old not in record.formerly:
        raise BadInput(f"subject {target.id!r} exists: choose another id")
    if source.root.exists():
        left = read_subject(source.record)
        if left.source != record.source or [*left.formerly, old] != record.formerly:
            raise BadInput(f"subject {target.id!r} was called {old!r} once, and {old!r} is another subject now")
        check_idle(source)


def _build(source: SubjectFolder, target: SubjectFolder) -> None:
    temporary = SubjectFolder(source.root.with_name(f".incoming-rename-{target.id}"))
    for leftover in source.root.parent.glob(".incoming-rename-*"):  # of this subject; another's may be in the making
        half = SubjectFolder(leftover)
        if half == temporary or (half.record.is_file() and read_subject(half.record).formerly[-1:] == [source.id]):
            shutil.rmtree(leftover)
    try:
        link_tree(source.root, temporary.root, (source.record.name, source.pipeline.name, source.lock.name))
        before = read_subject(source.record)
        record = before.model_copy(update={"id": target.id, "formerly": [*before.formerly, source.id]})
        write_subject(temporary.record, record)
        if source.pipeline.exists():  # as it was made, not as today's code would: what is stale today stays stale
            text = source.pipeline.read_text(encoding="utf-8")
            write_text(temporary.pipeline, _renamed(text, source.id, target.id))
        if source.lock.exists():
            _write_lock(source, temporary, target.id)
        temporary.root.rename(target.root)
    finally:
        shutil.rmtree(temporary.root, ignore_errors=True)


def _write_lock(source: SubjectFolder, temporary: SubjectFolder, new: str) -> None:
    from dvc.utils.serialize import dumps_yaml, load_yaml

    data = load_yaml(str(source.lock))
    old_record, new_record = source.record.read_bytes(), temporary.record.read_bytes()
    old_path = f"data/subjects/{source.id}/{source.record.name}"
    for stage in (data.get("stages") or {}).values():
        for entry in stage.get("deps") or []:
            # Only where the stage ran with the record as it is: one that was edited since is a change, and stays one.
            if entry["path"] == old_path and entry.get("md5") == _md5(old_record):
                entry["md5"], entry["size"] = _md5(new_record), len(new_record)
    write_text(temporary.lock, dumps_yaml(_renamed_tree(data, source.id, new)))


def _renamed_tree(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        for key, inner in value.items():
            value[key] = _renamed_tree(inner, old, new)
        return value
    if isinstance(value, list):
        return [_renamed_tree(inner, old, new) for inner in value]
    return _renamed(value, old, new) if isinstance(value, str) else value


def _renamed(text: str, old: str, new: str) -> str:
    """``text`` of a pipeline file or lock with the subject's paths, argument and heading under the new id."""
    text = text.replace(f"data/subjects/{old}/", f"data/subjects/{new}/")
    text = text.replace(f"--subject {old} ", f"--subject {new} ")
    return text.replace(f"# Pipeline of subject {old},", f"# Pipeline of subject {new},")


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _drop(folder: Path) -> None:
    """Take the folder away at once, under a name that nobody reads, then delete it."""
    gone = folder.with_name(f".incoming-rename-gone-{folder.name}")
    if folder.exists():
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
