"""The right to work on a subject: one flow at a time in the whole fleet."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from flows.limits.files import FileLock
from flows.limits.leases import Leases


class Claims:
    """Claims by unit: a lock file for the flows of this checkout, and a lease of the server's for those of others."""

    def __init__(self, folder: Path, leases: Leases | None = None):
        self._folder = folder
        self._leases = leases

    def claim(self, unit: str) -> Callable[[], None] | None:
        """Take ``unit`` (a subject, or "" for the shared stages).

        Returns what gives it back, or None where another flow has it.
        Raises StageFailed where the server does not answer.
        """
        name = f"subject-{unit}" if unit else "shared"
        with contextlib.ExitStack() as undo:
            lock = FileLock(self._folder / f"{name}.lock")
            if not lock.acquire():
                return None
            undo.callback(lock.release)
            if self._leases is not None:
                lease = self._leases.acquire(f"erlnet-{name}", 1)
                if lease is None:
                    return None
                undo.callback(self._leases.release, lease)
            return undo.pop_all().close
