"""What killed writers leave is removed, and nothing else."""

import subprocess
import sys
from pathlib import Path

from tasks.artifacts.leftovers import remove_leftovers

PROJECT = Path(__file__).resolve().parents[3]
KILLED = """
import os, signal, sys
from pathlib import Path
from tasks.artifacts.atomic import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    for name in ("nerf.safetensors", "nerf_preview.png", "no_suffix"):
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], cwd=PROJECT, check=False)
    kept = [tmp_path / name for name in ("nerf.safetensors", "nerf.tmp", "a.tmp-1", ".gitignore")]
    for path in kept:
        path.touch()
    assert len(list(tmp_path.iterdir())) == 7
    remove_leftovers(tmp_path, "nerf")
    assert len(list(tmp_path.iterdir())) == 6
    assert not list(tmp_path.glob("nerf.tmp-*"))
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    remove_leftovers(tmp_path / "not there")
