"""The report's contact sheets, from a subject's artifacts."""

from pathlib import Path

import cv2
import numpy as np

from tasks.artifacts.evaluation import Evaluation
from tasks.artifacts.frames import FrameTable
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.masks import Label, MaskReader
from tasks.artifacts.video import read_provenance
from tasks.errors import BadInput
from tasks.ingest.source import SourceVideo
from tasks.ingest.upright import Upright
from tasks.reporting.pictures import (
    COLOURS,
    WARM,
    error_map,
    grid,
    jpeg_uri,
    pick_frames,
    spread_rows,
    with_box,
    with_labels,
)
from tasks.scoring.comparison import right_half


def source_sheet(path: Path, table: FrameTable, count: int = 6) -> str:
    """Evenly spread source frames with the crop square and what holds the face throughout.

    Empty where the source is not here or cannot be read.
    """
    box, union = table.header.get("crop_box"), table.header.get("face_union")
    if not path.exists() or box is None:
        return ""
    pictures = []
    try:
        with SourceVideo(path) as source:
            facts = source.facts
            scale = min(1.0, 480 / max(facts.width, facts.height))
            size = (max(2, round(facts.width * scale)), max(2, round(facts.height * scale)))
            upright = Upright(facts, size)
            for row in spread_rows(len(table), count):
                frame = source.frame_near(float(table.source_pts[row]) - facts.video_start)
                if frame is None:
                    continue
                picture = with_box(upright(frame), [value * scale for value in box])
                pictures.append(with_box(picture, [v * scale for v in union], WARM) if union else picture)
    except BadInput:
        return ""
    return jpeg_uri(grid(pictures, 3, min(size[1], 320))) if pictures else ""


def crop_sheet(folder: SubjectFolder, table: FrameTable, count: int = 12) -> str:
    """Evenly spread frames with their face boxes."""
    rows = spread_rows(len(table), count)
    pictures = pick_frames(folder.video, rows)
    return jpeg_uri(grid([with_box(pictures[row], table.box[row]) for row in rows], 6, 190))


def mask_sheet(folder: SubjectFolder, masks: MaskReader, count: int = 6) -> tuple[str, list[tuple[str, str, str]]]:
    """The tinted frames, and the legend: name, CSS colour, mean share of the shown pictures (labels seen only)."""
    rows = spread_rows(len(masks), count)
    pictures = pick_frames(folder.video, rows)
    labels = {row: masks[row] for row in rows}
    shares = np.mean([np.bincount(labels[row].reshape(-1), minlength=256) / labels[row].size for row in rows], 0)
    legend = [
        (label.name.lower(), "#{:02x}{:02x}{:02x}".format(*COLOURS[label]), f"{shares[label]:.1%}")
        for label in Label
        if shares[label] > 0
    ]
    return jpeg_uri(grid([with_labels(pictures[row], labels[row]) for row in rows], 6, 190)), legend


def picture_file(path: Path) -> str:
    """A picture artifact as a data URI; empty where it is missing or not a picture."""
    picture = cv2.imread(str(path)) if path.exists() else None
    return jpeg_uri(picture[..., ::-1]) if picture is not None else ""


def extremes(folder: SubjectFolder, evaluation: Evaluation) -> list[dict[str, str]]:
    """Best, middle and worst held-out frame of the self-driven render: recording, render, error."""
    figures = evaluation.column("self_driven", "psnr_face")
    known = np.flatnonzero(np.isfinite(figures))
    if not len(known):
        return []
    order = known[np.argsort(-figures[known], kind="stable")]
    picked = {"best": order[0], "middle": order[len(order) // 2], "worst": order[-1]}
    first = (read_provenance(folder.self_driven) or {})["frames"]["first"]
    rows = {name: int(evaluation.frame[index]) for name, index in picked.items()}
    truths = pick_frames(folder.video, rows.values())
    rendered = pick_frames(folder.self_driven, (row - first for row in rows.values()), "the evaluate stage")
    items = []
    for name, row in rows.items():
        truth, render = truths[row], right_half(rendered[row - first])
        figure = figures[picked[name]]
        items.append({
            "title": f"{name}: frame {row}, face box {figure:.1f} dB",
            "image": jpeg_uri(grid([truth, render, error_map(truth, render)], 3, max(256, len(truth)))),
        })  # fmt: skip
    return items
