"""What the parse stage costs: processor seconds, wall seconds and peak memory, in a process of its own."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import chain, count, islice
from pathlib import Path

import numpy as np

from tasks.artifacts.flame import PER_FRAME, read_flame, write_flame
from tasks.artifacts.landmarks import LandmarkTrack, read_landmarks, write_landmarks
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.video import VideoWriter, read_frames

MEASURE = """\
import json, resource, sys, time
start = time.monotonic()
from pathlib import Path
from tasks import parse
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.masks import MaskReader
folder = SubjectFolder(Path(sys.argv[1]))
parse.run(folder, parse.ParseParams())
wall = time.monotonic() - start
usage = resource.getrusage(resource.RUSAGE_SELF)
memory = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
print(json.dumps({"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": memory,
                  "frames": len(MaskReader(folder.masks))}))
"""


def measure(folder: SubjectFolder) -> dict[str, float]:
    """One run of the stage on a subject that was tracked, imports included."""
    command = [sys.executable, "-c", MEASURE, str(folder.root)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def lengthened(folder: SubjectFolder, frames: int, scratch: Path) -> SubjectFolder:
    """The same subject, repeated until it has ``frames`` frames."""
    longer = SubjectFolder(scratch / f"{folder.root.parent.name}-{frames}")
    longer.root.mkdir(parents=True)
    landmarks, flame = read_landmarks(folder.landmarks), read_flame(folder.flame)
    ids = np.arange(frames)
    rows = np.resize(np.arange(len(landmarks)), frames)
    points = LandmarkTrack(ids, landmarks.points[rows], landmarks.detector, landmarks.image_size)
    write_landmarks(longer.landmarks, points)
    columns = {name: getattr(flame, name)[rows] for name in PER_FRAME}
    write_flame(longer.flame, replace(flame, **{**columns, "frame": ids, "t": ids / 25}))
    pictures = chain.from_iterable(read_frames(folder.video) for _ in count())
    with VideoWriter(longer.video, crf=10, preset="veryfast") as video:
        for picture in islice(pictures, frames):
            video.write(picture)
    return longer


def table(rows: dict[str, dict[str, float]]) -> str:
    """Markdown, one line a run."""
    lines = [
        "| run | frames | wall s | frames/s | processor ms a frame | peak memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        frames = row["frames"]
        lines.append(
            f"| {name} | {frames:.0f} | {row['wall']:.1f} | {frames / row['wall']:.0f} | "
            f"{1000 * row['cpu'] / frames:.1f} | {row['memory']:.0f} |"
        )
    return "\n".join(lines)
