"""Silence for native libraries that log to file descriptor 2 and offer no switch."""

import contextlib
import os
import sys
from collections.abc import Iterator
from threading import Lock

_LOCK = Lock()
_saved = -1  # what file descriptor 2 was before the first of the blocks that are open
_open = 0


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere for the length of the block, or of all such blocks that threads have open.

    For start-up of mediapipe's graphs only: whatever else writes to stderr meanwhile is lost too.
    """
    global _saved, _open
    with _LOCK:
        if _open == 0:
            sys.stderr.flush()
            _saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        _open += 1
    try:
        yield
    finally:
        with _LOCK:
            _open -= 1
            if _open == 0:
                os.dup2(_saved, 2)
                os.close(_saved)
