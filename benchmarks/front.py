"""The front of the pipeline, crop to parse, as its stages really run: a process each, speech beside track.

python -m benchmarks front [--clip CLIP] [--sizes 256 512] [--minutes 10]

Prints a table of wall and processor seconds, frames a second and peak memory, then what gates and stages cost on the
clip repeated for ``--minutes`` (0: left out).  Wall seconds mean something on an idle machine only: the load average is
printed too.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import yaml
from tqdm import tqdm

from benchmarks.clips import anchor_clip
from benchmarks.machine import describe
from tasks.artifacts.frames import read_frame_table
from tasks.artifacts.layout import AssetFolder, SubjectFolder, repository_root

STEPS = (("crop",), ("track", "speech"), ("parse",))  # stages of one step run at the same time
STAGES = tuple(stage for step in STEPS for stage in step)
PROFILE = "front"
GAP = 0.2  # seconds between two rounds of a repeated clip


@dataclass(frozen=True)
class Cost:
    """Of one process: seconds of wall, seconds of all its processors, peak resident bytes."""

    wall: float
    processor: float
    memory: int


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="video file; default: the anchor clip of $ERLNET_CLIPS")
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 512], help="pixels a side of the crop")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the repeated clip; 0: left out")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="stages to run (from crop on)")
    arguments = parser.parse_args(argv)
    clip = anchor_clip(arguments.clip)
    if clip is None:
        print("front: skipped: no clip (give --clip, or set ERLNET_CLIPS to a folder of clips)", file=sys.stderr)
        return 0
    print(f"{clip.name}; {describe()}; load average at the start {os.getloadavg()[0]:.1f}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="erlnet-front-") as temporary:
        scratch = Path(temporary)
        started = {stage: _start_up(stage) for stage in arguments.stages}
        for size in arguments.sizes:
            frames, costs, wall = measure(clip, size, scratch / str(size), arguments.stages)
            print(f"{table(size, frames, costs, wall, started)}\n", flush=True)
        if arguments.minutes:
            long = scratch / "long.mkv"
            repeat(clip, long, arguments.minutes * 60)
            gates = _run({"gates": [sys.executable, "-m", "tasks.check", str(long)]}, fine=(0, 2))
            frames, costs, _ = measure(long, min(arguments.sizes or [256]), scratch / "long", arguments.stages)
            print(f"The clip repeated for {arguments.minutes:g} minutes, {frames} frames:\n")
            costs = gates | costs
            print("| | " + " | ".join(costs) + " |\n|" + "---|" * (len(costs) + 1))
            print("| peak, MB | " + " | ".join(f"{cost.memory / 1e6:.0f}" for cost in costs.values()) + " |")
            print("| processor, s | " + " | ".join(f"{cost.processor:.0f}" for cost in costs.values()) + " |")
    print(f"\nLoad average at the end {os.getloadavg()[0]:.1f}.")
    return 0


def measure(clip: Path, size: int, scratch: Path, stages: tuple[str, ...]) -> tuple[int, dict[str, Cost], float]:
    """Run the stages in a checkout that has only what they need; returns frames, cost of each, wall of all."""
    subject = SubjectFolder.of("front", scratch)
    subject.root.mkdir(parents=True)
    subject.source.symlink_to(clip.resolve())
    (scratch / "data" / "assets").symlink_to(AssetFolder.default().root.resolve())
    sections: dict[str, Any] = {stage: {} for stage in STAGES} | {"crop": {"size": size}}
    (scratch / "params.yaml").write_text(yaml.safe_dump({"profiles": {PROFILE: sections}}), encoding="utf-8")
    begun = time.monotonic()
    costs: dict[str, Cost] = {}
    for step in STEPS:
        costs |= _run({stage: _command(stage) for stage in step if stage in stages}, scratch)
    wall = time.monotonic() - begun
    return len(read_frame_table(subject.frames)), costs, wall


def _command(stage: str) -> list[str]:
    return [sys.executable, "-m", f"tasks.{stage}", "--subject", "front", "--profile", PROFILE]


def _run(commands: dict[str, list[str]], scratch: Path | None = None, fine: tuple[int, ...] = (0,)) -> dict[str, Cost]:
    """Run the commands at the same time; the cost of each, in the order given.  fine: exit statuses that may be."""
    environment = os.environ | ({"ERLNET_ROOT": str(scratch)} if scratch else {})
    start = time.monotonic()
    children = {
        name: subprocess.Popen(command, cwd=repository_root(), env=environment) for name, command in commands.items()
    }
    names = {child.pid: name for name, child in children.items()}
    costs: dict[str, Cost] = {}
    while len(costs) < len(children):
        pid, status, usage = os.wait3(0)
        name = names[pid]
        costs[name] = Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
        children[name].returncode = os.waitstatus_to_exitcode(status)
    for name, child in children.items():
        if child.returncode not in fine:
            raise SystemExit(f"front: {name} ended with status {child.returncode}")
    return {name: costs[name] for name in commands}


def _start_up(stage: str) -> float:
    """Processor seconds of a process that does nothing but import the stage."""
    return _run({stage: [sys.executable, "-c", f"import tasks.{stage}"]})[stage].processor


def repeat(clip: Path, path: Path, seconds: float) -> None:
    """Write the clip's packets again and again, later each time, without decoding them."""
    with av.open(str(path), "w", format="matroska") as out:
        shift = 0.0
        copies: dict[int, Any] = {}
        with tqdm(total=round(seconds), desc="front: repeating", unit="s", mininterval=2.0) as bar:
            while shift < seconds:
                end = 0.0
                with av.open(str(clip)) as source:
                    streams = [source.streams.video[0], *source.streams.audio[:1]]
                    for stream in streams:
                        if stream.index not in copies:
                            copies[stream.index] = out.add_stream_from_template(stream)
                    for packet in source.demux(streams):
                        if packet.dts is None or packet.pts is None:
                            continue
                        ticks = round(shift / packet.time_base)
                        if packet.stream.type == "video":
                            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                        packet.stream = copies[packet.stream_index]
                        out.mux(packet)
                shift += end + GAP
                bar.update(round(end + GAP))


def table(size: int, frames: int, costs: dict[str, Cost], wall: float, started: dict[str, float]) -> str:
    """One markdown row a stage, then the sums that have a bound."""
    lines = [
        f"{frames} frames at {size} px:\n",
        "| stage | wall, s | processor, s | of these start-up | frames/s (wall) | processor a frame, ms | peak, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for stage, cost in costs.items():
        lines.append(
            f"| {stage} | {cost.wall:.1f} | {cost.processor:.1f} | {started[stage]:.1f} | {frames / cost.wall:.0f} "
            f"| {1e3 * cost.processor / frames:.1f} | {cost.memory / 1e6:.0f} |"
        )
    sums = [("crop + parse", ("crop", "parse"), None), ("whole front", tuple(costs), wall)]
    for title, stages, taken in sums:
        if set(stages) <= set(costs):
            seconds = sum(costs[stage].wall for stage in stages) if taken is None else taken
            processor = sum(costs[stage].processor for stage in stages)
            lines.append(
                f"| **{title}** | {seconds:.1f} | {processor:.1f} | {sum(started[stage] for stage in stages):.1f} "
                f"| **{frames / seconds:.0f}** | {1e3 * processor / frames:.1f} | |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
