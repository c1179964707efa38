"""What the gates say of a video before it becomes a subject, and the quarantine of one that fails them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.environment import stage_environment
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import GateRecord, SubjectRecord, overall, read_subject, write_subject
from tasks.errors import BadInput, StageFailed, TaskError
from tasks.reporting.quarantine import write_quarantine_page

MINUTES = 10  # a check takes seconds; one that takes that long hangs
GITIGNORE = "/report.html\n"


class Quarantined(BadInput):
    """A video failed the gates; ``record`` says why and lies in the subject's folder."""

    def __init__(self, video: Path, record: SubjectRecord):
        count = len(record.reasons)
        super().__init__(
            f"{video.name} is quarantined as {record.id!r} for {count} reason{'s' if count > 1 else ''}: "
            f"{'; '.join(record.reasons)} ('erlnet check' shows every gate, --force goes on all the same)"
        )
        self.record = record


@dataclass(frozen=True)
class Answer:
    """What ``tasks.check`` says: see Checked there."""

    gates: list[GateRecord]
    treatments: list[str]


def ask_gates(root: Path, video: Path, pauses: Sequence[tuple[float, float]] = ()) -> Answer:
    """What ``tasks.check`` says of ``video``, in a process of its own.

    pauses: (start, end) in seconds between the clips it was joined from.
    Raises BadInput, with its one line, for a file that cannot be used at all; StageFailed where the check breaks.
    """
    command = [sys.executable, "-m", "tasks.check", str(video.resolve()), "--json"]
    for start, end in pauses:
        command += ["--pause", f"{start:.3f}", f"{end:.3f}"]
    try:
        result = subprocess.run(
            command,
            cwd=root,
            env=stage_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=MINUTES * 60,
        )
    except subprocess.TimeoutExpired:
        raise StageFailed(f"the check of {video} did not end within {MINUTES} minutes") from None
    if result.stdout.strip() and result.returncode in (0, 2):
        said = json.loads(result.stdout)
        return Answer([GateRecord.model_validate(item) for item in said["gates"]], said["treatments"])
    lines = [line for line in result.stderr.splitlines() if line.startswith("check: error: ")]
    if result.returncode == 2 and lines:
        raise BadInput(lines[-1].removeprefix("check: error: "))
    last = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
    raise StageFailed(f"the check of {video} did not finish: {last}")


def publish(record: SubjectRecord) -> None:
    """Show the verdicts as a table artifact of the flow run that calls this: key ``gates-<id>``."""
    from prefect.artifacts import create_table_artifact

    if not record.gates:
        return
    said = f"quarantined: {'; '.join(record.reasons)}" if record.status == "quarantined" else overall(record.gates)
    if record.forced:
        said = f"forced past: {', '.join(record.forced)}"
    rows = [
        {"gate": gate.gate, "verdict": gate.verdict, "measured": gate.measured, "asked for": gate.limits,
         "advice": gate.advice}
        for gate in record.gates
    ]  # fmt: skip
    key = f"gates-{record.id.replace('_', '-')}"
    create_table_artifact(table=rows, key=key, description=f"{record.source.name} as {record.id}: {said}")


def failing(gates: Sequence[GateRecord]) -> list[GateRecord]:
    return [gate for gate in gates if gate.verdict == "fail"]


def stopped_at_the_gates(folder: SubjectFolder) -> bool:
    """Whether ``folder`` holds a quarantined subject's record and page and nothing else: no source, no pipeline."""
    if not folder.record.is_file() or folder.source.with_name("source.video.dvc").exists() or folder.pipeline.exists():
        return False
    try:
        return read_subject(folder.record).status == "quarantined"
    except TaskError:
        return False


def quarantine(folder: SubjectFolder, record: SubjectRecord) -> None:
    """Leave the record and a page that shows it in ``folder``, in place of an earlier quarantine."""
    folder.root.mkdir(parents=True, exist_ok=True)
    (folder.root / ".gitignore").write_text(GITIGNORE, encoding="utf-8")
    write_quarantine_page(folder.report, record)
    write_subject(folder.record, record)


def lift(folder: SubjectFolder) -> None:
    """Take away what ``quarantine`` left."""
    if stopped_at_the_gates(folder):
        shutil.rmtree(folder.root)
