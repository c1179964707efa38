"""Subjects by id, and whether somebody works on them."""

from pathlib import Path

from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder
from tasks.errors import BadInput


def known(root: Path, subject: str) -> SubjectFolder:
    """The folder of a registered subject.  Raises BadInput."""
    folder = SubjectFolder.of(subject, root)
    if not folder.record.is_file():
        raise BadInput(f"no subject {subject!r} in data/subjects: 'erlnet status' lists the subjects")
    return folder


def check_idle(folder: SubjectFolder) -> None:
    """Raises BadInput where a stage of the subject runs."""
    for path in sorted(folder.runs.glob("*.json")):
        record = run_record.read(folder.runs, path.stem)
        if record and record.outcome == "running":
            raise BadInput(
                f"stage {record.stage} of subject {folder.id!r} is running (process {record.pid}): wait for its end, "
                "or interrupt the run that started it"
            )
