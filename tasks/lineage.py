"""Lineage: where a rendered video, or a subject as it is now, comes from, and what of that still agrees.

    python -m tasks.lineage VIDEO_OR_SUBJECT [--audio A.wav] [--json]

A video carries its record (subject, consent, source, hashes of weights, head model and sound, parts).  The subject's
lock says what every stage was run with: code, parameters, inputs.  The two are joined by hashes, not by names: a video
made before a retraining is joined to the lock that git's history holds for the weights that made it.  Everything that
is still on disk is hashed and compared.  Exit status: 0 nothing disagrees; 1 something does, named; 2 bad input.
"""

import argparse
import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tasks.artifacts.layout import SUBJECT_ID, AssetFolder, SubjectFolder, repository_root
from tasks.artifacts.lock import StageLock, parse_lock, read_lock
from tasks.artifacts.subject import SubjectRecord, read_subject
from tasks.artifacts.video import read_provenance
from tasks.artifacts.weights import read_config
from tasks.code_history import commits_of, past_locks
from tasks.command_line import exit_status
from tasks.errors import BadInput, DamagedArtifact, MissingInput, StageFailed
from tasks.registry import sha256_of

Verdict = Literal["same", "differs", "not here"]


@dataclass(frozen=True)
class Check:
    """A hash that was recorded, compared with what is on disk now."""

    what: str
    verdict: Verdict
    recorded: str
    found: str = ""


@dataclass(frozen=True)
class StageLineage:
    """What one stage was last run with.

    code: number of files, one sha256 over their paths and md5s, and the newest commit that holds all of them as they
    were (None: none does).  code_now: whether the working tree still has them.  inputs, outputs: path -> md5.
    """

    name: str
    code: dict[str, Any]
    code_now: Verdict
    params: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]


@dataclass
class Lineage:
    """target: what was asked.  video: its own record.  subject: the subject's of this checkout, None where it has none.

    lock: where the stages are taken from: ``dvc.lock`` of today, a version of it in git's history, or nothing.
    parts: role -> what filled it; stand_ins: the roles where that stands in for a licensed part.
    """

    target: str
    video: dict[str, Any] | None = None
    subject: dict[str, Any] | None = None
    lock: str = "none"
    stages: list[StageLineage] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    stand_ins: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @property
    def disagreements(self) -> list[Check]:
        return [check for check in self.checks if check.verdict == "differs"]


def of_video(root: Path, path: Path, audio: Path | None = None) -> Lineage:
    """The lineage of a rendered video.  Raises BadInput where the file carries no record of ours."""
    said = _record_of(path)
    found = Lineage(str(path), video=said, parts=dict(said.get("parts") or {}))
    driven = said.get("driven_by")
    if audio is not None:
        recorded = driven.get("sha256", "") if isinstance(driven, dict) else ""
        found.checks.append(_compare("the sound that drives it", recorded, audio))
    folder = _subject_of(root, str(said.get("subject", "")))
    if folder is None:
        return _finish(root, found)
    record = read_subject(folder.record)
    found.subject = _about(record)
    sources = [record.source.sha256, *(earlier.source.sha256 for earlier in record.earlier)]
    recorded = str((said.get("source") or {}).get("sha256", ""))
    if recorded in sources[1:]:
        found.checks.append(Check("source video", "not here", recorded, "an earlier source of this subject"))
    else:
        found.checks.append(_compare("source video", recorded, folder.source))
    consent = (said.get("consent") or {}).get("statement")
    known = {record.consent.statement, *(earlier.consent.statement for earlier in record.earlier)}
    found.checks.append(Check("consent statement", "same" if consent in known else "differs", str(consent)))
    found.lock, stages = _lock_of(root, folder, said, path)
    current = found.lock.endswith("dvc.lock")
    for role, sha256 in (said.get("weights") or {}).items():
        weights = {"adf": folder.adf, "nerf": folder.nerf}.get(role)
        if weights is None or not current:
            found.checks.append(Check(f"weights {role}", "not here", str(sha256), "made by an earlier training"))
        else:
            found.checks.append(_compare(f"weights {role}", str(sha256), weights))
    return _finish(root, found, stages, folder)


def of_subject(root: Path, subject: str) -> Lineage:
    """The lineage of a subject as it is.  Raises BadInput for an unknown one, DamagedArtifact for a damaged lock."""
    folder = SubjectFolder.of(subject, root)
    if not folder.record.is_file():
        raise BadInput(f"{subject} is neither a video file nor a subject: 'erlnet status' lists subjects")
    record = read_subject(folder.record)
    found = Lineage(subject, subject=_about(record), lock=folder.lock.relative_to(root).as_posix())
    found.checks.append(_compare("source video", record.source.sha256, folder.source))
    return _finish(root, found, read_lock(folder.lock), folder)


def _record_of(path: Path) -> dict[str, Any]:
    import av

    try:
        said = read_provenance(path)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise BadInput(f"{path} is not a video that can be read: {str(error).splitlines()[0]}") from None
    if not isinstance(said, dict):
        raise BadInput(f"{path} carries no record of erlnet: it was made elsewhere, or its metadata were stripped")
    return said


def _subject_of(root: Path, name: str) -> SubjectFolder | None:
    """The subject that has or had this id.  Ids that are in use come before those that were given up."""
    if not SUBJECT_ID.fullmatch(name):
        return None
    folder = SubjectFolder.of(name, root)
    if folder.record.is_file():
        return folder
    for path in sorted((root / "data" / "subjects").glob("[a-z0-9]*/subject.yaml")):
        other = SubjectFolder(path.parent)
        if name in read_subject(other.record).formerly:
            return other
    return None


def _lock_of(root: Path, folder: SubjectFolder, said: dict[str, Any], path: Path) -> tuple[str, dict[str, StageLock]]:
    """The lock under which the video's weights were made, and where it is.

    Old records name weights by sha256 only; they can be joined to today's lock alone, by the files on disk.
    """
    present = read_lock(folder.lock)
    md5s = said.get("weights_md5") or {}
    recorded = said.get("weights") or {}
    files = {"adf": folder.adf, "nerf": folder.nerf}
    if md5s:
        if _made(present, md5s):
            return folder.lock.relative_to(root).as_posix(), present
    elif all(files[role].is_file() and sha256_of(files[role]) == recorded.get(role) for role in files):
        return folder.lock.relative_to(root).as_posix(), present
    names = [folder.id, *read_subject(folder.record).formerly]
    for past, text in past_locks(root, *(f"data/subjects/{name}" for name in names)):
        if past.endswith("dvc.lock") and md5s:
            try:
                stages = parse_lock(text, Path(past))
            except DamagedArtifact:
                continue
            if _made(stages, md5s):
                return f"{past} in git's history", stages
    return "none", {}


def _made(stages: dict[str, StageLock], md5s: dict[str, str]) -> bool:
    made = {out.md5 for stage in stages.values() for out in stage.outs.values()}
    return bool(md5s) and set(md5s.values()) <= made


def _finish(
    root: Path, found: Lineage, stages: dict[str, StageLock] | None = None, folder: SubjectFolder | None = None
) -> Lineage:
    found.stages = stage_lineage(root, stages or {})
    today = found.lock.endswith("dvc.lock")
    for stage in found.stages if today else []:
        for path, md5 in stage.outputs.items():
            found.checks.append(_compare(f"{path} ({stage.name})", md5, root / path, "md5"))
    assets = {
        path: md5 for stage in found.stages for path, md5 in stage.inputs.items() if path.startswith("data/assets")
    }
    for path, md5 in sorted(assets.items()):
        found.models[Path(path).name] = f"md5 {md5}"
        if Path(path) != AssetFolder(Path("data/assets")).manifest:
            found.checks.append(_compare(path, md5, root / path, "md5"))
    head = (found.video or {}).get("head") or {}
    if folder is not None and today:
        for weights, made_by in ((folder.adf, "the adf stage"), (folder.nerf, "the nerf stage")):
            with contextlib.suppress(MissingInput, DamagedArtifact):  # its hash is compared above
                config = read_config(weights, made_by)
                found.parts = {**config.get("parts", {}), **found.parts}
                head = head or config.get("head", {})
    if head:
        found.models["head model"] = f"{head.get('name', '?')}, sha256 {head.get('sha256', '?')}"
    found.stand_ins = sorted(role for role, part in found.parts.items() if "stands in" in str(part))
    return found


def stage_lineage(root: Path, stages: dict[str, StageLock]) -> list[StageLineage]:
    """What the stages of a lock were run with, with the commits their code is of."""
    code = {
        name: {path: dep.md5 for path, dep in stage.deps.items() if not path.startswith("data/")}
        for name, stage in stages.items()
    }
    commits = commits_of(root, code)
    now = {path: _hash(root / path, "md5") for path in {path for files in code.values() for path in files}}
    rows = []
    for name, stage in stages.items():
        files = code[name]
        digest = hashlib.sha256("".join(f"{path} {files[path]}\n" for path in sorted(files)).encode()).hexdigest()
        same = all(now[path] == md5 for path, md5 in files.items())
        params = {key: value for values in stage.params.values() for key, value in values.items()}
        inputs = {path: dep.md5 for path, dep in stage.deps.items() if path.startswith("data/")}
        outputs = {path: out.md5 for path, out in stage.outs.items()}
        about = {"files": len(files), "sha256": digest, "commit": commits[name]}
        rows.append(StageLineage(name, about, "same" if same else "differs", params, inputs, outputs))
    return rows


def _about(record: SubjectRecord) -> dict[str, Any]:
    data = record.model_dump()
    return {key: data[key] for key in ("id", "formerly", "source", "earlier", "consent", "profile", "style", "status")}


def _compare(what: str, recorded: str, path: Path, algorithm: str = "sha256") -> Check:
    found = _hash(path, algorithm)
    if found is None:
        return Check(what, "not here", recorded)
    return Check(what, "same" if found == recorded else "differs", recorded, found)


def _hash(path: Path, algorithm: str) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    except (FileNotFoundError, IsADirectoryError):
        return None


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tasks.lineage", description="Where a video or a subject comes from."
    )
    parser.add_argument("target", help="a video that was rendered, or the id of a subject")
    parser.add_argument("--audio", type=Path, help="check that this sound drove the video")
    parser.add_argument("--json", action="store_true", help="print JSON")
    values = parser.parse_args(argv)

    def work() -> None:
        root, path = repository_root(), Path(values.target)
        if path.is_file():
            found = of_video(root, path, values.audio)
        elif SUBJECT_ID.fullmatch(values.target):
            found = of_subject(root, values.target)
        else:
            raise BadInput(f"{values.target} is neither a video file nor the id of a subject")
        from tasks.reporting.lineage import describe

        if values.json:
            print(json.dumps({**asdict(found), "agrees": not found.disagreements}, indent=2))
        else:
            print("\n".join(describe(found)))
        if found.disagreements:
            names = ", ".join(check.what for check in found.disagreements)
            raise StageFailed(f"what {values.target} records is not what is here: {names}")

    return exit_status("lineage", work)


if __name__ == "__main__":
    raise SystemExit(main())
