"""Half-written files: what a writer that was killed leaves beside the file it was writing (names: atomic.py)."""

import contextlib
from pathlib import Path


def remove_leftovers(folder: Path, stem: str = "*") -> None:
    """Remove the half-written files in ``folder``, or only those that were to be called ``stem`` with any suffix.

    Nobody may be writing them.  What cannot be removed stays: whoever writes there next will say what is wrong.
    """
    for path in folder.glob(f"{stem}.tmp-????????*"):
        with contextlib.suppress(OSError):
            path.unlink()
