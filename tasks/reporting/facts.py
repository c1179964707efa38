"""What the report says in words and tables: verdict, figures, parts, resources, hashes."""

from dataclasses import dataclass
from typing import Any

from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder
from tasks.registry import sha256_of

STAGES = ("crop", "track", "parse", "torso", "speech", "adf", "nerf", "evaluate")
FEW = 50  # held-out frames: fewer (2 s) show one moment, which the last training frame may already hold
CLEARLY = 1.0  # dB of the face box above the better baseline that the verdict calls clear
COLUMNS = (
    ("self_driven", "Self-driven", "tracked motion"),
    ("flame_driven", "FLAME-driven", "tracked motion, torso foretold"),
    ("speech_driven", "Speech-driven", "spoken motion"),
    ("nearest_frame", "Nearest frame", "baseline"),
    ("mean_frame", "Mean frame", "baseline"),
)


@dataclass(frozen=True)
class Figure:
    """A row of the metrics table; best: 'high', 'low', or closest to 'zero', 'one' or the 'truth' (the recording's)."""

    key: str
    label: str
    unit: str
    best: str
    digits: int
    note: str = ""

    @property
    def arrow(self) -> str:
        return {"high": "↑", "low": "↓", "zero": "→ 0", "one": "→ 1", "truth": "→ recording"}[self.best]


FIGURES: tuple[tuple[str, tuple[Figure, ...]], ...] = (
    ("Face box", (
        Figure("psnr_face", "PSNR", "dB", "high", 2),
        Figure("ssim_face", "SSIM", "", "high", 3),
        Figure("lpips_face", "LPIPS", "", "low", 3),
    )),
    ("Person (mask)", (
        Figure("psnr_person", "PSNR", "dB", "high", 2),
        Figure("lpips_person", "LPIPS", "", "low", 3),
    )),
    ("Neck band", (
        Figure("psnr_neck", "PSNR", "dB", "high", 2, "round the chin-neck and collar boundaries"),
        Figure("lpips_neck", "LPIPS", "", "low", 3),
        Figure("flicker_neck", "Flicker", "levels", "low", 2, "change from frame to frame against the recording's"),
    )),
    ("Full frame", (
        Figure("psnr", "PSNR", "dB", "high", 2, "a moving backdrop counts"),
        Figure("ssim", "SSIM", "", "high", 3),
        Figure("lpips", "LPIPS", "", "low", 3),
        Figure("cpbd", "CPBD", "", "truth", 2, "sharpness without a reference"),
    )),
    ("Identity", (
        Figure("csim", "CSIM", "", "high", 3, "dlib's embedding, not ArcFace's"),
    )),
    ("Landmarks", (
        Figure("lmd", "LMD, mouth", "px at 512", "low", 2, "20 points, centred"),
        Figure("f_lmd", "F-LMD, face", "px at 512", "low", 2, "68 points, centred"),
        Figure("au_proxy", "Action units, a proxy", "%²", "low", 1, "landmark distances, not OpenFace's AUE"),
        Figure("faces_missed", "Frames without a face", "", "low", 0, "the detector found none in the picture"),
    )),
    ("Motion", (
        Figure("mouth_correlation", "Mouth opening, correlation", "", "high", 2, "with the recording"),
        Figure("mouth_dynamics", "Mouth opening, range", "", "one", 2, "standard deviation over the recording's"),
        Figure("mouth_lag", "Mouth, lag", "frames", "zero", 0, "at which it follows the recording's best"),
        Figure("jitter", "Landmark jitter", "px/frame²", "truth", 2, "at 512"),
        Figure("flicker", "Flicker", "levels", "low", 2, "change from frame to frame against the recording's"),
    )),
    ("Lip sync", (
        Figure("av_offset", "Audio-visual offset, ours", "frames", "zero", 0, "of the motion, by the ADF's embedding"),
        Figure("av_confidence", "Its confidence, ours", "", "high", 2, "best agreement over the median's"),
        Figure("lse_c", "LSE-C", "", "high", 2),
        Figure("lse_d", "LSE-D", "", "low", 2),
    )),
)  # fmt: skip

LABELS = {figure.key: f"{figure.label} ({title.lower()})" for title, figures in FIGURES for figure in figures}


def metrics_table(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Groups of rows for the template: each cell has its text, the reason where there is no figure, and ``best``."""
    truth = metrics.get("truth", {})
    groups = []
    for title, figures in FIGURES:
        rows = []
        for figure in figures:
            values = [metrics.get(method, {}).get(figure.key) for method, *_ in COLUMNS]
            best = _best(figure, values, truth.get(figure.key))
            cells = [_cell(figure, value, index in best) for index, value in enumerate(values)]
            reference = truth.get(figure.key)
            shown = f"{reference:.{figure.digits}f}" if isinstance(reference, float | int) else ""
            rows.append({"figure": figure, "cells": cells, "truth": shown})
        groups.append({"title": title, "rows": rows})
    return groups


def _cell(figure: Figure, value: Any, best: bool) -> dict[str, Any]:
    if isinstance(value, float | int):
        return {"text": f"{value:.{figure.digits}f}", "best": best, "reason": ""}
    return {"text": "–", "best": False, "reason": value if isinstance(value, str) else "not measured"}


def _best(figure: Figure, values: list[Any], truth: Any) -> set[int]:
    known = {index: float(value) for index, value in enumerate(values) if isinstance(value, float | int)}
    if figure.best == "truth":
        if not isinstance(truth, float | int):
            return set()
        cost = {index: abs(value - truth) for index, value in known.items()}
    elif figure.best in ("zero", "one"):
        goal = float(figure.best == "one")
        cost = {index: abs(value - goal) for index, value in known.items()}
    else:
        cost = {index: -value if figure.best == "high" else value for index, value in known.items()}
    if len(cost) < 2 or len(set(cost.values())) == 1:
        return set()
    # What looks equal in the table is equal.
    shown = {index: f"{value:.{figure.digits}f}" for index, value in cost.items()}
    lowest = shown[min(cost, key=lambda index: cost[index])]
    return {index for index, text in shown.items() if text == lowest}


def verdict(metrics: dict[str, Any]) -> tuple[str, str]:
    """("good" | "fair" | "poor", one sentence): the self-driven render against the better trivial baseline."""
    face = {method: metrics[method]["psnr_face"] for method in ("self_driven", "nearest_frame", "mean_frame")}
    name, baseline = max(
        (("the nearest training frame", face["nearest_frame"]), ("the mean training frame", face["mean_frame"])),
        key=lambda pair: pair[1],
    )
    gain = face["self_driven"] - baseline
    figures = f"face box {face['self_driven']:.1f} dB on frames it never saw, {name} has {baseline:.1f} dB"
    mouth = [metrics[method].get("lmd") for method in ("self_driven", "nearest_frame")]
    if all(isinstance(value, float | int) for value in mouth):
        figures += f"; mouth landmarks off by {mouth[0]:.1f} px at 512 (nearest frame {mouth[1]:.1f})"
    count = metrics["held_out"]["measured"]
    if count < FEW:
        return "fair", (
            f"Too short to judge: only {count} held-out frames were measured, a moment that a training frame may "
            f"already show. On them: {figures}. Give a minute of video or more."
        )
    if gain >= CLEARLY:
        return "good", f"The portrait clearly beats both trivial baselines: {figures}."
    if gain > 0:
        return "fair", f"The portrait is only {gain:.1f} dB above the better trivial baseline: {figures}."
    return "poor", f"The portrait does not beat the trivial baselines: {figures}. Do not use it."


def resources(folder: SubjectFolder) -> tuple[list[dict[str, str]], str]:
    """Rows of the last run of every stage before this one, and the sum of their times."""
    rows, total = [], 0.0
    for stage in STAGES:
        record = run_record.read(folder.runs, stage)
        if record is None:
            rows.append({"stage": stage, "outcome": "no record (restored from the cache?)", "time": "", "memory": ""})
            continue
        total += record.seconds
        memory = f"{record.peak_memory / 2**30:.2f} GiB" if record.peak_memory else ""
        rows.append({"stage": stage, "outcome": record.outcome, "time": duration(record.seconds), "memory": memory})
    return rows, duration(total)


def duration(seconds: float) -> str:
    """``4.2 s`` below a minute, ``m:ss min`` above."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


def hashes(folder: SubjectFolder) -> list[dict[str, str]]:
    """Name, size and sha256 of every artifact that made the page."""
    paths = (
        folder.source, folder.video, folder.audio, folder.frames, folder.flame, folder.landmarks, folder.masks,
        folder.background, folder.torso, folder.speech, folder.adf, folder.nerf, folder.frame_metrics, folder.metrics,
        folder.self_driven, folder.render,
    )  # fmt: skip
    return [
        {"name": path.name, "size": size(path.stat().st_size), "sha256": sha256_of(path)}
        for path in paths
        if path.exists()
    ]


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
