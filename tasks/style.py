"""Whose manner to move in: a subject, a style label, or a video that is cropped and tracked on the spot."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.layout import SUBJECT_ID, SubjectFolder, repository_root
from tasks.artifacts.subject import read_subject
from tasks.errors import BadInput, MissingInput
from tasks.registry import sha256_of
from tasks.tracked_video import track_video

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".video")


@dataclass(frozen=True)
class Style:
    """sequence: the motion to imitate; None: the subject's own, which its ADF carries.  origin: for provenance."""

    sequence: FlameSequence | None
    origin: dict[str, Any]


def resolve_style(folder: SubjectFolder, wanted: str | None, profile: str, head: Path) -> Style:
    """The style called ``wanted``: a subject id, else a video file, else the label of exactly one subject.

    profile, head: parameters and file of the head model with which a video is cropped and tracked.  None or the
    subject's own id: its own style.  Raises BadInput where nothing or several subjects answer to it, or the video
    cannot be used.
    """
    if wanted is None or wanted == folder.id:
        return Style(None, {"subject": folder.id})
    known = _known_subjects()
    if wanted in known:
        return _of_subject(known[wanted])
    if Path(wanted).is_file():
        return _of_video(Path(wanted), profile, head)
    if "/" in wanted or Path(wanted).suffix.lower() in VIDEO_SUFFIXES:
        raise BadInput(f"--style {wanted}: no such video file")
    labels = {id_: read_subject(other.record).style for id_, other in known.items()}
    matches = [id_ for id_, label in labels.items() if label == wanted]
    if matches == [folder.id]:
        return Style(None, {"subject": folder.id, "label": wanted})
    if len(matches) > 1:
        raise BadInput(f"--style {wanted}: several subjects have this style ({', '.join(matches)}): give one id")
    if not matches:
        there = ", ".join(sorted({*labels.values(), *labels})) or "none"
        raise BadInput(f"--style {wanted}: no subject, style label or video file of this name; known: {there}")
    return _of_subject(known[matches[0]])


def _known_subjects() -> dict[str, SubjectFolder]:
    subjects = repository_root() / "data" / "subjects"
    if not subjects.is_dir():
        return {}
    folders = [SubjectFolder(path) for path in sorted(subjects.iterdir()) if SUBJECT_ID.fullmatch(path.name)]
    return {folder.id: folder for folder in folders if folder.record.is_file()}


def _of_subject(other: SubjectFolder) -> Style:
    record = read_subject(other.record)
    if record.status == "quarantined":
        raise BadInput(f"--style {other.id}: this subject is quarantined ({'; '.join(record.reasons) or 'no reason'})")
    try:
        sequence = read_flame(other.flame)
    except MissingInput:
        raise BadInput(f"--style {other.id}: this subject is not tracked yet: run 'erlnet repro {other.id}'") from None
    origin = {"subject": other.id, "label": record.style, "source_sha256": record.source.sha256}
    return Style(sequence, origin)


def _of_video(path: Path, profile: str, head: Path) -> Style:
    return Style(track_video(path, profile, head), {"video": path.name, "sha256": sha256_of(path)})
