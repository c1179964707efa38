"""Locks of one machine: files under ``flock``, which the kernel takes back from whoever dies."""

import fcntl
import os
from pathlib import Path


class FileLock:
    """One lock file, held from a successful ``acquire`` to ``release`` or the end of this process."""

    def __init__(self, path: Path):
        self._path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Take it if nobody has it; returns whether that worked.  Two objects exclude each other in one process too."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return True

    def release(self) -> None:
        """Give it back; does nothing where it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
