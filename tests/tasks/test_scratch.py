"""Arrays in an unnamed file: content, and memory that is let go of."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.scratch import ScratchMap

MEGABYTES = 48


def resident() -> float:
    """Megabytes of files that are mapped and in memory."""
    text = Path("/proc/self/status").read_text()
    return sum(int(kib) for kib in re.findall(r"Rss(?:File|Shmem):\s+(\d+)", text)) / 1024


def test_it_keeps_what_is_written_and_leaves_no_file(tmp_path: Path) -> None:
    scratch = ScratchMap(tmp_path / "new", 100)
    whole, tail = scratch.array(np.uint8, (100,)), scratch.array(np.float16, (2, 5), 80)
    assert list((tmp_path / "new").iterdir()) == []
    whole[:] = 0
    tail[1, 4] = 3.5
    scratch.release()
    assert scratch.array(np.float16, (10,), 80)[9] == 3.5
    assert not whole[:98].any()
    scratch.close()  # with arrays that are still referred to
    assert tail[1, 4] == 3.5


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_release_gives_memory_back(tmp_path: Path) -> None:
    scratch = ScratchMap(tmp_path, MEGABYTES * 2**20)
    array = scratch.array(np.uint8, (MEGABYTES, 2**20))
    before = resident()
    array[:] = 7
    assert resident() > before + MEGABYTES / 2
    scratch.release()
    assert resident() < before + MEGABYTES / 4
    assert int(array[-1, -1]) == 7
    scratch.close()
