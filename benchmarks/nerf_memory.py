"""Memory of the nerf stage against the length of the clip, on a drawn scene.

python -m benchmarks nerf_memory [--frames 1000 6000] [--size 64] [--steps 60]

A process each, so that a peak is that length's own.  Resident: all pages, those of the mapped scratch files contained,
which the system may take back at any time; anonymous: what it cannot.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.machine import describe

PROGRAM = "from benchmarks.nerf_memory import measured; measured({frames}, {size}, {steps})"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks nerf_memory", description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[1000, 6000])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=60)
    values = parser.parse_args(argv)
    print(describe())
    print("\n| frames | resident, MB | anonymous, MB |\n|---|---|---|")
    for frames in values.frames:
        program = PROGRAM.format(frames=frames, size=values.size, steps=values.steps)
        with tempfile.TemporaryDirectory(prefix="erlnet-memory-") as root:
            environment = {**os.environ, "ERLNET_ROOT": root}
            result = subprocess.run(
                [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
        print(result.stdout.splitlines()[-1], flush=True)
    return 0


def measured(frames: int, size: int, steps: int) -> None:
    """Draw the scene, train on it, print a row.  Drawing needs memory too: its own process does it."""
    from tasks.artifacts.layout import SubjectFolder
    from tasks.nerf import NerfParams, run

    draw = (
        "import os; from pathlib import Path; from tests.nerf_scene import ellipsoid_head, make_scene, write_subject; "
        f"write_subject(Path(os.environ['ERLNET_ROOT']), make_scene({frames}, {size}), ellipsoid_head())"
    )
    subprocess.run([sys.executable, "-c", draw], check=True)
    peaks = {"VmRSS": 0, "RssAnon": 0}

    def watch() -> None:
        while True:
            text = Path("/proc/self/status").read_text()
            for name in peaks:
                found = re.search(rf"{name}:\s+(\d+)", text)
                peaks[name] = max(peaks[name], int(found[1]) if found else 0)
            time.sleep(0.05)

    threading.Thread(target=watch, daemon=True).start()
    small = {"head_resolution": 64, "static_resolution": 64, "head_rays": 96, "other_rays": 48, "measured": 8}
    run(SubjectFolder.of("scene"), NerfParams(steps=steps, perceptual_weight=0.0, **small))
    print(f"| {frames:,} | {peaks['VmRSS'] / 1024:.0f} | {peaks['RssAnon'] / 1024:.0f} |")
