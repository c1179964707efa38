"""Registers a subject: asks the gates, copies the video, writes record and pipeline.  All of it, or nothing.

The folder is built beside its final place under a name that git and DVC ignore, and renamed when it is whole.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.environment import stage_environment
from flows.gates import Quarantined, ask_gates, failing, lift, quarantine, stopped_at_the_gates
from flows.half_made import in_the_making, remove_left
from flows.pipeline import GITIGNORE, PipelineWriter
from tasks.artifacts.atomic import write_text
from tasks.artifacts.layout import SubjectFolder, check_subject_id
from tasks.artifacts.subject import (
    Clip,
    Consent,
    GateRecord,
    Source,
    SubjectRecord,
    Use,
    pauses_between,
    read_subject,
    write_subject,
)
from tasks.errors import BadInput, StageFailed
from tasks.params import read_profiles

BLOCK = 1 << 20


@dataclass(frozen=True)
class Request:
    """What onboarding is asked for.

    video: any file PyAV can read.  consent: why this likeness may be used.  force: go on although gates fail.  use,
    person, clips: as in the record.
    """

    video: Path
    subject: str
    consent: str
    style: str = "neutral"
    profile: str = "cpu"
    force: bool = False
    use: Use = "portrait"
    person: str | None = None
    clips: tuple[Clip, ...] = ()


def register(root: Path, request: Request) -> bool:
    """Make the subject's folder; returns whether that was new.

    The same request a second time changes nothing, and completes a registration that was cut short.  A video that fails
    the gates leaves the record that says so and nothing else, until a better one is handed in under the same id.
    Raises Quarantined for that, BadInput for anything unusable about the request, StageFailed where DVC cannot take the
    video in.
    """
    check(root, request)
    folder = SubjectFolder.of(request.subject, root)
    if folder.root.exists() and not stopped_at_the_gates(folder):
        _check_same(folder, request)
        created = False
    else:
        gates = ask_gates(root, request.video, pauses_between(request.clips)).gates
        if failing(gates) and not request.force:
            record = _record(request, *_measure(request.video), gates)
            quarantine(folder, record)
            raise Quarantined(request.video, record)
        lift(folder)
        _build(root, folder, request, gates)
        created = True
    try:
        complete(root, folder)
    except BaseException:
        if created:
            shutil.rmtree(folder.root, ignore_errors=True)
        raise
    return created


def complete(root: Path, folder: SubjectFolder) -> bool:
    """Let DVC take the video in where a registration was cut short before it had; returns whether that was needed.

    Raises StageFailed where that is impossible, or where the video is not the one that was registered.
    """
    if _taken_in(folder.source.with_name("source.video.dvc")):
        return False
    if folder.source.exists() and _measure(folder.source)[0] != read_subject(folder.record).source.sha256:
        raise StageFailed(f"{folder.source} is not the video that was registered: put that one back")
    add_to_dvc(root, folder)
    return True


def _taken_in(link: Path) -> bool:
    """Whether DVC has written its checksum there."""
    try:
        return bool(re.search(r"^  md5: [0-9a-f]{32}$", link.read_text(encoding="utf-8"), re.MULTILINE))
    except FileNotFoundError:
        return False


def check(root: Path, request: Request) -> None:
    """Everything about a request that can be checked without opening the video.  Raises BadInput."""
    check_subject_id(request.subject)
    if not request.consent.strip():
        raise BadInput("consent is empty: say in --consent why this person's likeness may be used")
    if not request.style.strip() or len(request.style) > 64:
        raise BadInput("a style label has 1 to 64 characters, for example 'neutral'")
    profiles = read_profiles(root / "params.yaml")
    if request.profile not in profiles:
        raise BadInput(f"profile {request.profile!r} is not in params.yaml: choose one of {', '.join(profiles)}")
    if not request.video.is_file():
        kind = "is not a file" if request.video.exists() else "does not exist"
        raise BadInput(f"video {request.video} {kind}: give the path of a video file")


def _check_same(folder: SubjectFolder, request: Request) -> None:
    if not folder.record.exists():
        raise BadInput(f"{folder.root} exists but has no subject.yaml: move it away or choose another id")
    record = read_subject(folder.record)
    asked = {"style": request.style, "profile": request.profile, "consent statement": request.consent}
    have = {"style": record.style, "profile": record.profile, "consent statement": record.consent.statement}
    for what, value in asked.items():
        if have[what] != value:
            raise BadInput(
                f"subject {folder.id!r} exists with {what} {have[what]!r}: choose another id, or edit {folder.record}"
            )
    if _measure(request.video)[0] != record.source.sha256:
        raise BadInput(f"subject {folder.id!r} exists and was made from another video: choose another id")


def _record(request: Request, digest: str, size: int, gates: list[GateRecord]) -> SubjectRecord:
    failed = failing(gates)
    return SubjectRecord(
        id=request.subject,
        source=Source(name=request.video.name, sha256=digest, bytes=size),
        consent=Consent(statement=request.consent, recorded=datetime.now(UTC).isoformat(timespec="seconds")),
        profile=request.profile,
        style=request.style,
        status="quarantined" if failed and not request.force else "active",
        reasons=[] if request.force else [gate.line for gate in failed],
        gates=gates,
        forced=[gate.gate for gate in failed] if request.force else [],
        use=request.use,
        person=request.person,
        clips=list(request.clips),
    )


def _build(root: Path, folder: SubjectFolder, request: Request, gates: list[GateRecord]) -> None:
    remove_left(folder.root.parent)  # what a killed registration left may be gigabytes
    with in_the_making(folder.root.parent) as place:
        temporary = SubjectFolder(place)
        record = _record(request, *copy_hashed(request.video, temporary.source), gates)
        write_subject(temporary.record, record)
        text = PipelineWriter(root).render(request.subject, request.profile, request.use)
        temporary.pipeline.write_text(text, encoding="utf-8")
        (temporary.root / ".gitignore").write_text(GITIGNORE, encoding="utf-8")
        try:
            os.rename(temporary.root, folder.root)
        except OSError as error:
            if folder.root.exists():
                raise BadInput(f"subject {folder.id!r} was registered by another process meanwhile") from error
            raise


def copy_hashed(source: Path, destination: Path) -> tuple[str, int]:
    """Copy and return sha256 and length of what was copied."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, destination.open("xb") as writer:
        while block := reader.read(BLOCK):
            digest.update(block)
            size += len(block)
            writer.write(block)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest(), size


def _measure(path: Path) -> tuple[str, int]:
    """sha256 and length of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def add_to_dvc(root: Path, folder: SubjectFolder) -> None:
    # `dvc add` loads every pipeline of the checkout to see that nobody else makes the file: ten seconds at two hundred
    # subjects.  In a new folder nobody does, so the file that `dvc add` would write is committed instead.
    path = folder.source.relative_to(root)
    link = folder.source.with_name("source.video.dvc")
    write_text(link, "outs:\n- path: source.video\n  hash: md5\n")
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "commit", "--quiet", "--force", f"{path}.dvc"]
    result = subprocess.run(command, cwd=root, env=stage_environment(), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        link.unlink()
        last = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        raise StageFailed(f"DVC could not take in {path}: {last.removeprefix('ERROR: ')}")
