"""Speed and memory of the track stage, each size in a process of its own.

python -m benchmarks.tracking.cost SUBJECT_FOLDER FRAMES prints one JSON object: seconds of the detection (every frame
of the folder's video once), seconds of the fit of FRAMES frames (the video's landmarks there and back again, which has
no jumps), seconds of writing and scoring, processor seconds, and the process's peak memory.
"""

import contextlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from models.landmarks.face_mesh import FaceMesh
from tasks import track
from tasks.artifacts.flame import write_flame
from tasks.artifacts.frames import FrameTable, read_frame_table
from tasks.artifacts.head import read_head
from tasks.artifacts.landmarks import LandmarkTrack, write_landmarks
from tasks.artifacts.layout import AssetFolder, SubjectFolder, repository_root
from tasks.scoring.tracking import quality


def measure(folder: SubjectFolder, frames: int) -> dict[str, Any]:
    """The same work in a new process, so that its peak memory is its own."""
    command = [sys.executable, "-m", "benchmarks.tracking.cost", str(folder.root), str(frames)]
    result = subprocess.run(command, cwd=repository_root(), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def work(folder: SubjectFolder, frames: int) -> dict[str, Any]:
    """What the track stage does, with ``frames`` rows made of the video's own."""
    table = read_frame_table(folder.frames)
    started = time.monotonic()
    worked = time.process_time()
    landmarks, _ = track.detect(folder, table, FaceMesh)
    detected = time.monotonic()
    seeing = time.process_time() - worked
    there_and_back = np.concatenate([np.arange(len(table)), np.arange(len(table) - 2, 0, -1)])
    order = np.resize(there_and_back, frames)
    index = np.arange(frames)
    longer = LandmarkTrack(index, landmarks.points[order], landmarks.detector, landmarks.image_size)
    times = FrameTable(index, index / 25, index / 25, table.box[order], table.face_confidence[order], table.header)
    head = read_head(AssetFolder.default().open_head)
    begun, worked = time.monotonic(), time.process_time()
    sequence, fitted = track.fit(head, longer, times, track.TrackParams(), part="open head")
    done = time.monotonic()
    fitting = time.process_time() - worked
    write_landmarks(folder.root / f"landmarks-{frames}.parquet", longer)
    write_flame(folder.root / f"flame-{frames}.parquet", sequence)
    quality(longer, fitted, sequence)
    return {
        "frames": frames,
        "detected": len(table),
        "detection": detected - started,
        "fit": done - begun,
        "detection_cpu": seeing,
        "fit_cpu": fitting,
        "rest": time.monotonic() - done,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| frames | detection, frames/s (measured on) | fit, s | fit, frames/s | writing and scoring, s "
        "| all, frames/s | processor time a frame, detection + fit, ms | peak memory, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        each = row["detection"] / row["detected"] + (row["fit"] + row["rest"]) / row["frames"]
        lines.append(
            f"| {row['frames']} | {row['detected'] / row['detection']:.0f} ({row['detected']}) | {row['fit']:.1f} "
            f"| {row['frames'] / row['fit']:.0f} | {row['rest']:.1f} | {1 / each:.0f} "
            f"| {1e3 * row['detection_cpu'] / row['detected']:.1f} + {1e3 * row['fit_cpu'] / row['frames']:.1f} "
            f"| {row['peak_mb']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = work(SubjectFolder(Path(sys.argv[1])), int(sys.argv[2]))
    print(json.dumps(found))
