"""Folders of subjects in the making: named so that git and DVC ignore them, and gone with whoever was making them.

A folder is locked by its maker as long as that lives, so what a killed one left can be told from what another process
is busy with.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"\.incoming-[0-9a-f]{8}")
YOUNG = 60.0  # seconds: a folder may have been made and not be locked yet


@contextlib.contextmanager
def in_the_making(subjects: Path) -> Iterator[Path]:
    """A new folder in ``subjects`` for the body to fill and rename; it is removed where that does not happen."""
    folder = subjects / f".incoming-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    try:
        with _open(folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left(subjects: Path) -> list[Path]:
    """Remove folders whose maker is gone; returns them."""
    removed = []
    for folder in subjects.glob(".incoming-*"):
        if not _NAME.fullmatch(folder.name):
            continue  # of a rename or a re-source, which finish what they began
        with contextlib.suppress(OSError), _open(folder) as file:  # also: another process was faster
            if time.time() - folder.stat().st_mtime < YOUNG:
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
            removed.append(folder)
    return removed


@contextlib.contextmanager
def _open(folder: Path) -> Iterator[int]:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield file
    finally:
        os.close(file)
