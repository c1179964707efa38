"""The NeRF without one of its parts at a time: quality on held-out frames after equally many steps.

python -m benchmarks nerf --ablations [--clip CLIP | --subject FOLDER] [--steps 1500] [--only fusion shell]

Steps, not minutes, are equal, so that a machine that others use too gives the same figures; processor seconds are
reported beside them.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clips import anchor_clip
from benchmarks.machine import describe
from benchmarks.parsing.clips import prepare
from models.landmarks.face_mesh import FaceMesh
from tasks import nerf, torso
from tasks.artifacts.flame import read_flame
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.lpips import read_lpips
from tasks.artifacts.masks import MaskReader
from tasks.artifacts.torso import read_torso
from tasks.artifacts.video import read_frames
from tasks.params import load_params
from tasks.portrait import Portrait
from tasks.scoring.scores import ScoreSheet, spread
from tasks.split import train_length

ABLATIONS: dict[str, dict[str, Any]] = {
    "full": {},
    "fusion": {"fusion": False},
    "deform": {"deform": False},
    "perceptual": {"perceptual_weight": 0.0},
    "shell": {"shell": False},
}
"""What is left out -> the parameters that leave it out."""

COLUMNS = {
    "psnr_face": 2,
    "psnr_person": 2,
    "psnr_neck": 2,
    "lpips_person": 4,
    "lpips_neck": 4,
    "lmd": 2,
    "flicker_neck": 2,
}
"""Figures -> digits shown."""

READ = ("video", "flame", "masks", "background", "torso")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, help="video file; default: the anchor clip of $ERLNET_CLIPS")
    parser.add_argument("--subject", type=Path, help="folder of a subject up to its torso, in place of a clip")
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--ablations", action="store_true", help="train without each part, too")
    parser.add_argument("--only", nargs="+", choices=ABLATIONS, help="these ones alone")
    arguments = parser.parse_args(argv)
    clip = anchor_clip(arguments.clip)
    if arguments.subject is None and clip is None:
        print("nerf: skipped: no clip (give --clip or --subject, or set ERLNET_CLIPS to a folder)", file=sys.stderr)
        return 0
    names = arguments.only or (list(ABLATIONS) if arguments.ablations else ["full"])
    params = load_params(nerf.NerfParams, arguments.profile, "nerf")
    print(f"{describe()}; load average at the start {os.getloadavg()[0]:.1f}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="erlnet-bench-") as temporary:
        scratch = Path(temporary)
        subject = SubjectFolder(arguments.subject.resolve()) if arguments.subject else _prepared(clip, params, scratch)
        if isinstance(subject, str):
            print(f"nerf: {subject}", file=sys.stderr)
            return 2
        rows = {}
        for name in names:
            with contextlib.redirect_stdout(sys.stderr):
                changed = params.__class__(**(vars(params) | {"steps": arguments.steps} | ABLATIONS[name]))
                rows[name] = measure(subject, changed, scratch / name)
            print(f"nerf: {name}: {rows[name]}", file=sys.stderr, flush=True)
        print(table(rows, arguments.steps))
    return 0


def _prepared(clip: Path | None, params: nerf.NerfParams, scratch: Path) -> SubjectFolder | str:
    assert clip is not None
    made = prepare(clip, 256, scratch)
    if isinstance(made, SubjectFolder):
        torso.run(made, torso.TorsoParams())
    return made


def measure(subject: SubjectFolder, params: nerf.NerfParams, root: Path) -> dict[str, float | str]:
    """Train in the new folder ``root`` on links to the subject's artifacts; figures of COLUMNS over all held-out
    frames, driven by their tracked parameters and measured torso, and ``processor``: seconds of the training."""
    folder = SubjectFolder(root)
    root.mkdir(parents=True)
    for name in READ:
        getattr(folder, name).symlink_to(getattr(subject, name))
    started = time.process_time()
    nerf.run(folder, params)
    seconds = time.process_time() - started
    assets = AssetFolder.default()
    flame, motion, masks = read_flame(folder.flame), read_torso(folder.torso).motion, MaskReader(folder.masks)
    count, train = len(flame), train_length(len(flame))
    portrait = Portrait.load(folder.nerf, assets.open_head)
    with FaceMesh(static=True) as mesh:
        frames = np.arange(train, count)
        sheet = ScoreSheet(frames, spread(len(frames), 0), flame.image_size, read_lpips(assets.lpips), mesh)
        drawn = portrait.render(flame.slice(train, count), torso=motion[train:])
        for row, truth in enumerate(read_frames(folder.video)):
            if row >= train:
                sheet.truth(row - train, truth, masks[row])
                sheet.add("self_driven", row - train, next(drawn))
    figures = sheet.summary()["self_driven"]
    return {name: figures[name] for name in COLUMNS} | {"processor": seconds}


def table(rows: dict[str, dict[str, float | str]], steps: int) -> str:
    """Markdown table, a row an ablation."""
    lines = [
        f"After {steps} steps each, held-out frames, self-driven:",
        "",
        "| without | face, dB | person, dB | neck band, dB | LPIPS person | LPIPS neck band | LMD mouth, px at 512 "
        "| flicker, neck band | processor, s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        label = "nothing (full)" if name == "full" else name
        cells = [_cell(row[column], digits) for column, digits in COLUMNS.items()]
        lines.append("| " + " | ".join([label, *cells, _cell(row["processor"], 0)]) + " |")
    return "\n".join(lines)


def _cell(value: float | str, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, float) else "not measured"


if __name__ == "__main__":
    raise SystemExit(main())
