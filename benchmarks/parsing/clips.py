"""Real clips: overlap of the person with U²-Net's matte, flicker, and sheets to look at.  There is no truth here."""

import contextlib
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.parsing.judge import Judge, overlap
from tasks import crop, parse, track
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.masks import Label, MaskReader
from tasks.artifacts.video import read_frames, read_some_frames
from tasks.errors import BadInput, TaskError
from tasks.reporting.pictures import grid, with_labels

STILL = 6  # of 255: largest change of a channel with which a pixel's colour counts as unchanged
JUDGED = 12  # frames that U²-Net looks at


def prepare(clip: Path, size: int, scratch: Path) -> SubjectFolder | str:
    """Crop, track and parse one clip; its folder, or the line with which it was refused."""
    folder = SubjectFolder(scratch / clip.stem)
    folder.root.mkdir(parents=True)
    folder.source.symlink_to(clip.resolve())
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stages report on stdout, which is the tables' here
            crop.run(folder, crop.CropParams(size=size))
            try:
                track.run(folder, track.TrackParams())
            except BadInput:
                track.run(folder, track.TrackParams(minimum_coverage=0.0))
            parse.run(folder, parse.ParseParams())
    except (TaskError, ValueError) as error:
        return str(error).replace(f"{scratch}/", "")
    return folder


def measure(folder: SubjectFolder, judge: Judge | None) -> dict[str, Any]:
    """iou, worst: with U²-Net's matte, mean and least over the judged frames (nan without a judge); flicker: see
    ``flicker``; frames; long_hair as the stage found it."""
    masks = MaskReader(folder.masks)
    shares = [float("nan")]
    if judge is not None:
        rows = spread(len(masks), JUDGED)
        pictures = read_some_frames(folder.video, rows)
        shares = [overlap(masks[row] != Label.BACKGROUND, judge(rgb) > 0.5) for row, rgb in pictures]
    return {
        "frames": len(masks),
        "iou": float(np.mean(shares)),
        "worst": float(np.min(shares)),
        "flicker": flicker(folder),
        "long_hair": masks.header["long_hair"],
    }


def flicker(folder: SubjectFolder) -> float:
    """Share of the pixels whose colour changes by at most STILL from one frame to the next whose label changes."""
    changed = still = 0
    before: tuple[np.ndarray, np.ndarray] | None = None
    for rgb, labels in zip(read_frames(folder.video), MaskReader(folder.masks), strict=True):
        if before is not None:
            same = cv2.absdiff(rgb, before[0]).max(-1) <= STILL
            still += int(same.sum())
            changed += int((same & (labels != before[1])).sum())
        before = rgb, labels
    return changed / max(still, 1)


def sheet(folder: SubjectFolder, count: int = 12) -> np.ndarray:
    """Evenly spread frames under their labels: uint8 RGB."""
    masks = MaskReader(folder.masks)
    pictures = read_some_frames(folder.video, spread(len(masks), count))
    return grid([with_labels(rgb, masks[row]) for row, rgb in pictures], 6, 300)


def spread(frames: int, count: int) -> list[int]:
    """Ids of evenly spread frames, away from the ends."""
    return sorted({int(i) for i in np.linspace(2, max(frames - 3, 2), count) if i < frames})


def table(results: dict[str, dict[str, Any] | str]) -> str:
    """Markdown, one line a clip."""
    lines = ["| clip | frames | IoU with U²-Net, mean (least) | flicker, % | long hair |", "|---|---|---|---|---|"]
    for name, row in results.items():
        if isinstance(row, str):
            lines.append(f"| {name} | refused: {row} | | | |")
            continue
        judged = "not measured" if np.isnan(row["iou"]) else f"{row['iou']:.3f} ({row['worst']:.3f})"
        lines.append(f"| {name} | {row['frames']} | {judged} | {100 * row['flicker']:.2f} | {row['long_hair']:.2f} |")
    return "\n".join(lines)
