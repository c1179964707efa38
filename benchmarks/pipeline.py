"""The whole pipeline on one clip, in a fresh checkout: cost of every stage, quality beside baselines.

python -m benchmarks pipeline --clip CLIP --profile cpu
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.clips import anchor_clip
from benchmarks.machine import describe
from tasks.artifacts import run_record
from tasks.artifacts.layout import AssetFolder, SubjectFolder, repository_root
from tasks.artifacts.metrics import read_metrics

STAGES = ("crop", "track", "parse", "torso", "speech", "adf", "nerf", "evaluate", "report")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, help="video file; default: the anchor clip of $ERLNET_CLIPS")
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--keep", type=Path, help="leave the checkout in this (new) folder, to look at")
    arguments = parser.parse_args(argv)
    clip = anchor_clip(arguments.clip)
    if clip is None:
        print("pipeline: skipped: no clip (give --clip, or set ERLNET_CLIPS to a folder of clips)", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory(prefix="erlnet-bench-") as temporary:
        checkout = arguments.keep or Path(temporary) / "checkout"
        subject, wall = measure(clip.resolve(), arguments.profile, checkout)
        print(table(subject, clip.name, arguments.profile, wall))
    return 0


def copy_checkout(destination: Path) -> None:
    """Clone this repository's HEAD and bring along the shared assets that are already here."""
    root = repository_root()
    subprocess.run(["git", "clone", "--quiet", str(root), str(destination)], check=True)
    assets = AssetFolder.default().root
    for file in assets.iterdir():
        target = destination / "data" / "assets" / file.name
        if file.is_file() and not target.exists():
            shutil.copy2(file, target)


def measure(clip: Path, profile: str, checkout: Path) -> tuple[SubjectFolder, float]:
    """Onboard ``clip`` in a new checkout; returns the finished subject and the seconds it took in all."""
    copy_checkout(checkout)
    environment = os.environ | {"ERLNET_ROOT": str(checkout), "PREFECT_HOME": str(checkout / ".prefect")}
    command = [sys.executable, "-m", "flows.cli", "onboard", str(clip), "--subject", "bench", "--profile", profile]
    start = time.monotonic()
    subprocess.run([*command, "--consent", "local benchmark; not published"], cwd=checkout, env=environment, check=True)
    return SubjectFolder.of("bench", checkout), time.monotonic() - start


def table(subject: SubjectFolder, clip: str, profile: str, wall: float) -> str:
    """Two markdown tables: cost of each stage, quality beside the baselines."""
    lines = [f"{clip}, profile {profile}, {describe()}", "", "| stage | seconds | peak memory, MB |", "|---|---|---|"]
    for stage in STAGES:
        record = run_record.read(subject.runs, stage)
        if record:
            lines.append(f"| {stage} | {record.seconds:.0f} | {record.peak_memory / 1e6:.0f} |")
    lines += [f"| all, with orchestration | {wall:.0f} | |", ""]
    lines.append("```json\n" + json.dumps(read_metrics(subject.metrics, "evaluate"), indent=2) + "\n```")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
