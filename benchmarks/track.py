"""The track stage: against truth on a rendered head, on real clips, and what it costs.

python -m benchmarks track [--clips DIR] [--only rendered clips cost] [--landmarks mesh]
"""

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import get_args

from benchmarks.clips import real_clips
from benchmarks.machine import describe
from benchmarks.tracking import clips, cost, rendered
from tasks import crop
from tasks.artifacts.head import read_head
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.landmark_source import Source

PARTS = ("rendered", "clips", "cost")
SPEED_CLIP = "anchor"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of real clips; default: $ERLNET_CLIPS")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--heads", type=int, default=4, help="rendered identities")
    parser.add_argument("--frames", type=int, default=200, help="frames of each rendered identity")
    parser.add_argument("--resting", type=int, nargs="*", default=[1, 5], help="seeds of rendered heads that rest")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1779, 7500], help="frames whose cost is measured")
    parser.add_argument("--size", type=int, default=256, help="pixels a side of the crops of real clips")
    sources = get_args(Source)
    parser.add_argument("--landmarks", choices=sources, default="mesh", help="of rendered heads and clips; cost: mesh")
    arguments = parser.parse_args(argv)
    asset = AssetFolder.default().open_head
    if not asset.is_file():
        print("track: skipped: no head model (python -m tasks.head makes it)", file=sys.stderr)
        return 0
    found = real_clips(arguments.clips)
    print(f"{describe()}; load average at the start {os.getloadavg()[0]:.1f}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="erlnet-bench-") as temporary:
        scratch = Path(temporary)
        if "rendered" in arguments.only:
            with contextlib.redirect_stdout(sys.stderr):
                head = read_head(asset)
                rows = [
                    rendered.measure(head, arguments.frames, seed, scratch, arguments.landmarks)
                    for seed in range(arguments.heads)
                ]
                resting = [rendered.measure_rest(head, seed, scratch) for seed in arguments.resting]
            print(f"Rendered heads, {arguments.frames} frames each:\n\n{rendered.table(rows)}\n", flush=True)
            print(f"Rendered heads that rest, first pass → second:\n\n{rendered.rest_table(resting)}\n", flush=True)
        if not found and {"clips", "cost"} & set(arguments.only):
            print("Real clips and cost: not measured: no clips (give --clips, or set ERLNET_CLIPS)\n", flush=True)
        elif "clips" in arguments.only:
            results = {clip.stem: clips.measure(clip, arguments.size, scratch, arguments.landmarks) for clip in found}
            print(f"Real clips, {arguments.size} px:\n\n{clips.table(results)}\n", flush=True)
        longest = next((clip for clip in found if SPEED_CLIP in clip.stem), None)
        if "cost" in arguments.only and longest is not None:
            costs = [cost.measure(cropped(longest, arguments.size, scratch), frames) for frames in arguments.sizes]
            print(f"Cost, {longest.stem}, {arguments.size} px:\n\n{cost.table(costs)}\n")
            print(f"Load average at the end {os.getloadavg()[0]:.1f}.")
    return 0


def cropped(clip: Path, size: int, scratch: Path) -> SubjectFolder:
    """The clip as the track stage gets it; made where the clips' part did not make it before."""
    folder = SubjectFolder(scratch / clip.stem)
    if not folder.frames.is_file():
        folder.root.mkdir(parents=True, exist_ok=True)
        folder.source.symlink_to(clip.resolve())
        with contextlib.redirect_stdout(sys.stderr):
            crop.run(folder, crop.CropParams(size=size))
    return folder


if __name__ == "__main__":
    raise SystemExit(main())
