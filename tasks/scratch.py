"""Arrays in an unnamed file instead of in memory: what is trained on may be as long as the disk allows."""

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np


class ScratchMap:
    """``size`` bytes of a file in ``folder``, mapped.

    The file has no name once it is open, so that even a killed process leaves nothing behind.
    """

    def __init__(self, folder: Path, size: int):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "scratch.tmp-0"
        with path.open("w+b") as file:
            path.unlink()
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)

    def array(self, dtype: Any, shape: tuple[int, ...], offset: int = 0) -> np.ndarray:
        """The bytes from ``offset`` on as an array, which may be written."""
        return np.frombuffer(self._map, dtype, math.prod(shape), offset).reshape(shape)

    def release(self) -> None:
        """Let go of the memory of what has been read and written; the content stays.

        The pages of a file count as a process's memory for as long as they are mapped, although the system could take
        them back at any time.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        try:
            self._map.close()
        except BufferError:
            pass  # a view is still referred to by a traceback; the file has no name and goes with the process
