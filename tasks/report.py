"""Report stage: one self-contained HTML page of a subject.

    python -m tasks.report --subject ID --profile demo

Everything is inside the file (videos, pictures, curves, styles), so it can be mailed and opened without a network;
its content security policy forbids every request.  Text from outside (consent, file names, style) is escaped.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import Field

from models.landmarks.layouts import to_ibug68
from models.metrics.landmarks import mouth_opening
from tasks.artifacts.atomic import write_text
from tasks.artifacts.curve import read_curve
from tasks.artifacts.evaluation import Evaluation, read_evaluation
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.frames import FrameTable, read_frame_table
from tasks.artifacts.landmarks import LandmarkTrack, read_landmarks
from tasks.artifacts.layout import SubjectFolder, repository_root
from tasks.artifacts.masks import MaskReader
from tasks.artifacts.metrics import read_metrics
from tasks.artifacts.speech import read_speech
from tasks.artifacts.subject import SubjectRecord, read_subject
from tasks.artifacts.weights import read_config
from tasks.assets import read_manifest
from tasks.code_history import git_commit
from tasks.errors import StageFailed
from tasks.params import read_profiles
from tasks.provenance import tool_version
from tasks.reporting.curves import against_time, curve_svg, training_panels
from tasks.reporting.facts import COLUMNS, LABELS, hashes, metrics_table, resources, verdict
from tasks.reporting.lineage import stage_rows
from tasks.reporting.players import repeated_player, spoken_player
from tasks.reporting.sheets import crop_sheet, extremes, mask_sheet, picture_file, source_sheet
from tasks.reporting.tracking import track_curves, track_quality, track_sheet
from tasks.stage import main

MOST_BYTES = 25_000_000
_SCRIPT = """
const truth = document.getElementById('truth'), render = document.getElementById('render');
const both = document.getElementById('both');
both.addEventListener('click', () => {
  const start = render.paused || render.ended;
  if (start) {
    if (render.ended) render.currentTime = 0;
    truth.currentTime = render.currentTime;
    render.play(); truth.play();
  } else { render.pause(); truth.pause(); }
  both.textContent = start ? 'Pause both' : 'Play both';
});
render.addEventListener('ended', () => { truth.pause(); both.textContent = 'Play both'; });
"""


@dataclass
class ReportParams:
    """How large the page may become."""

    video_megabytes: Annotated[float, Field(gt=0)] = 5.0
    """A render above this is compressed once more for the page (the artifact stays as it is)."""


def run(folder: SubjectFolder, params: ReportParams) -> None:
    """Write report.html of ``folder``.  Raises MissingInput, DamagedArtifact, or StageFailed for a page above 25 MB."""
    record = read_subject(folder.record)
    page = render_page(gather(folder, record, params))
    if len(page.encode()) > MOST_BYTES:
        raise StageFailed(
            f"the page would be {len(page) / 1e6:.0f} MB, above {MOST_BYTES // 10**6} MB: lower report.video_megabytes "
            "or evaluate.render_seconds in params.yaml"
        )
    write_text(folder.report, page)


def render_page(context: dict[str, Any]) -> str:
    """Fill the template; everything but our own script and SVG is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        **context, script=Markup(_SCRIPT), script_hash=Markup(digest)
    )


def gather(folder: SubjectFolder, record: SubjectRecord, params: ReportParams) -> dict[str, Any]:
    """Everything the template shows."""
    table, flame, landmarks = (
        read_frame_table(folder.frames),
        read_flame(folder.flame),
        read_landmarks(folder.landmarks),
    )
    masks = MaskReader(folder.masks)
    nerf_curve = read_curve(folder.nerf_curve, "the nerf stage")
    metrics = read_metrics(folder.metrics, "the evaluate stage")
    evaluation = read_evaluation(folder.frame_metrics)
    most = round(params.video_megabytes * 1e6)
    tinted, legend = mask_sheet(folder, masks)
    return {
        "record": record,
        "verdict": verdict(metrics),
        "source_line": _source_line(record, table),
        "frames": len(table),
        "held_out": metrics["held_out"],
        "spoken": spoken_player(folder, flame.fps, most),
        "repeated": repeated_player(folder, flame.fps, most),
        "columns": COLUMNS,
        "table": metrics_table(metrics),
        "unmeasured": _unmeasured(metrics),
        "extremes": extremes(folder, evaluation),
        "frame_curves": _frame_curves(evaluation, landmarks),
        "crop_line": _crop_line(table),
        "source_sheet": source_sheet(folder.source, table),
        "treatments": table.header.get("treatments", []),
        "crop_sheet": crop_sheet(folder, table),
        "track": track_quality(read_metrics(folder.track_metrics, "the track stage"), flame),
        "track_sheet": track_sheet(folder, flame, landmarks),
        "track_curves": track_curves(flame, int(metrics["held_out"]["first_frame"])),
        "mask_sheet": tinted,
        "legend": legend,
        "background": picture_file(folder.background),
        "training": [
            ("Audio to motion (ADF)", training_panels("adf", read_curve(folder.adf_curve, "the adf stage")),
             _flat(read_metrics(folder.adf_metrics, "the adf stage"))),
            ("Motion to picture (DBF-NeRF)", against_time("nerf", nerf_curve),
             _flat(read_metrics(folder.nerf_metrics, "the nerf stage"))),
        ],
        "preview": picture_file(folder.nerf_preview),
        "parts": _parts(folder, table, flame, landmarks, masks),
        "licensed": [
            {"title": part.title, "stages": ", ".join(part.stages), "stands_in": part.stands_in}
            for part in read_manifest().licensed.values()
        ],
        "resources": resources(folder),
        "version": tool_version(),
        "commit": git_commit(repository_root()),
        "head": {"name": flame.head.get("name", "unknown"), "sha256": flame.head.get("sha256", "")},
        "lineage": stage_rows(folder),
        "hashes": hashes(folder),
        "params": yaml.safe_dump(read_profiles().get(record.profile, {}), sort_keys=False),
    }  # fmt: skip


def _source_line(record: SubjectRecord, table: FrameTable) -> str:
    facts = table.header.get("source", {})
    parts = [f"{table.t[-1] + 1 / table.header['fps']:.1f} s"] if len(table) else []
    if "width" in facts:
        parts.append(f"{facts['width']}×{facts['height']}, {facts.get('fps', 0):.4g} fps")
    parts += [str(facts[key]) for key in ("video_codec", "audio_codec") if facts.get(key)]
    return ", ".join([*parts, f"sha256 {record.source.sha256[:16]}…"])


def _crop_line(table: FrameTable) -> str:
    header, seen = table.header, int(np.isfinite(table.box[:, 0]).sum())
    line = f"{len(table)} frames at {header['fps']:g} fps and {header['image_size']} px; a face in {seen} of them"
    box = header.get("crop_box")
    if box:
        line += f"; square of {box[2] - box[0]:.0f} source pixels at ({box[0]:.0f}, {box[1]:.0f})"
    margins = header.get("margins_in_face_heights")
    if margins:
        room = ", ".join(f"{side} {value:.2f}" for side, value in margins.items())
        line += f"; least room round the face over the whole clip, in face heights: {room}"
        if header.get("margins_short_of"):
            line += f" (less than asked for {', '.join(header['margins_short_of'])}: the picture ends there)"
    others, looks = header.get("other_faces_seen", 0), header.get("faces_seen", [0, 0])[1]
    if others:
        line += f"; other faces in {others} of {looks} pictures that were looked at, left aside"
    return line + "."


def _frame_curves(evaluation: Evaluation, landmarks: LandmarkTrack) -> list[tuple[str, Markup]]:
    names = {key: title for key, title, _ in COLUMNS}
    x = evaluation.frame.astype(float)
    curves = []
    for figure, title, unit in (("psnr_face", "Face box, PSNR", "dB"), ("lmd", "Mouth landmark distance", "px at 512")):
        series = {title: evaluation.column(key, figure) for key, title in names.items() if key in evaluation.methods}
        curves.append((title, curve_svg(f"frames-{figure}", x, series, "frame", unit)))
    points = to_ibug68(landmarks.points)[evaluation.frame, :, :2]
    mouth = {"recording": mouth_opening(points, landmarks.image_size)}
    mouth |= {names[key]: evaluation.column(key, "mouth_opening") for key in ("self_driven", "speech_driven")}
    return [*curves, ("Mouth opening", curve_svg("frames-mouth", x, mouth, "frame", "px at 512"))]


def _parts(
    folder: SubjectFolder, table: FrameTable, flame: FlameSequence, landmarks: LandmarkTrack, masks: MaskReader
) -> list[dict[str, str]]:
    """Role, part and the artifact that says so, from the metadata of every artifact."""
    said: list[tuple[str, dict[str, Any]]] = [
        ("crop", {"face detector": table.header.get("detector"), **table.header.get("parts", {})}),
        ("track", {"landmarks": landmarks.detector, "head model": flame.head.get("name"), **flame.parts}),
        ("parse", masks.header.get("parts", {})),
        ("speech", {"speech encoder": read_speech(folder.speech).encoder}),
        ("adf", read_config(folder.adf, "the adf stage").get("parts", {})),
        ("nerf", read_config(folder.nerf, "the nerf stage").get("parts", {})),
    ]
    return [
        {"role": role.replace("_", " "), "name": str(name), "where": where}
        for where, parts in said
        for role, name in parts.items()
        if name
    ]


def _unmeasured(metrics: dict[str, Any]) -> list[str]:
    """One line a reason for the dashes in the table."""
    reasons: dict[str, list[str]] = {}
    for method, title, _ in COLUMNS:
        for key, value in metrics.get(method, {}).items():
            if isinstance(value, str):
                reasons.setdefault(f"{LABELS.get(key, key)}: {value}", []).append(title)
    return [f"{reason} [{', '.join(titles)}]" for reason, titles in reasons.items()]


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict):
            rows += _flat(value, f"{name}: ")
        else:
            rows.append((name, f"{value:.5g}" if isinstance(value, float) else str(value)))
    return rows


if __name__ == "__main__":
    raise SystemExit(main("report", ReportParams, run))
