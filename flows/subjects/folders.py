"""Whole subject folders: a second one of the same content, and two that change places at once."""

import ctypes
import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


def link_tree(source: Path, target: Path, leave_out: Iterable[str] = ()) -> None:
    """Make the new folder ``target`` hold what ``source`` holds, as hard links where the file system has them.

    No file of a subject is ever written in place (they are replaced), so the links never share a change.
    leave_out: names at the top that are not taken.  Half-written files are never taken.
    """
    dropped = set(leave_out)

    def ignore(folder: str, names: list[str]) -> set[str]:
        top = dropped if Path(folder) == source else set()
        return {name for name in names if name in top or ".tmp-" in name}

    shutil.copytree(source, target, symlinks=True, ignore=ignore, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def exchange(first: Path, second: Path) -> None:
    """Let two existing folders change places in one step (Linux: renameat2).  Raises OSError where that cannot be."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(first), os.fsencode(second)
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(first))
