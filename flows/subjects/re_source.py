"""Gives a subject another source video, say a longer one: new source, new consent, the stages run again.

The folder of the new source is built whole beside the old one, with hard links to its files, and the two change places
in one step; the old state stays as ``.previous-ID``, with everything that was made, until the new one is done or until
it is asked for again.  A kill leaves the old state or the new one, and the same command again goes on.
"""

import errno
import shutil
from datetime import UTC, datetime
from pathlib import Path

from flows.bridge.planner import Target, make_plan
from flows.gates import ask_gates, failing, stopped_at_the_gates
from flows.onboarding import add_to_dvc, copy_hashed
from flows.subjects.folders import exchange, link_tree
from flows.subjects.known import check_idle, known
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import Consent, Earlier, GateRecord, Source, SubjectRecord, read_subject, write_subject
from tasks.errors import BadInput
from tasks.registry import sha256_of


def re_source(root: Path, subject: str, video: Path, consent: str, force: bool = False) -> bool:
    """Let ``subject`` be made from ``video``; returns False where it is already.  Nothing is run.

    consent: why this video may be used; recorded with it.  force: go on although gates fail.  Raises BadInput for an
    unusable request or video, StageFailed where DVC cannot take the video in.
    """
    places = _Places(root, subject)
    places.mend()
    folder = known(root, subject)
    record = read_subject(folder.record)
    _check(folder, video, consent)
    if sha256_of(video) == record.source.sha256:
        if record.consent.statement != consent:
            raise BadInput(f"subject {subject!r} is made from this video, with consent {record.consent.statement!r}")
        new = False
    else:
        check_idle(folder)
        gates = ask_gates(root, video).gates
        failed = failing(gates)
        if failed and not force:
            why = "; ".join(gate.line for gate in failed)
            raise BadInput(f"{video.name} fails the checks and {subject!r} stays as it is: {why} (--force goes on)")
        _build(places, record, video, consent, gates)
        places.swap()
        new = True
    if not folder.source_link.exists():
        add_to_dvc(root, folder)
    return new


def go_back(root: Path, subject: str) -> None:
    """Restore the state before the last re-source, as long as it is kept.  Raises BadInput."""
    places = _Places(root, subject)
    places.mend()
    check_idle(known(root, subject))
    if not places.previous.exists():
        raise BadInput(f"nothing to go back to: subject {subject!r} has no state from before a re-source")
    _exchange(places.previous, places.folder.root)
    shutil.rmtree(places.previous)


def finish(root: Path, subject: str) -> bool:
    """Drop the state before the re-source if every stage of the new one is done; returns whether there is none left."""
    places = _Places(root, subject)
    if places.previous.exists():
        plan = make_plan(root, [Target(subject)], write=False)
        if plan.stages or plan.broken or plan.frozen or plan.quarantined:
            return False
        shutil.rmtree(places.previous)
    return True


class _Places:
    """Where the states of a subject lie: as it is, before the re-source, and the one that is being built."""

    def __init__(self, root: Path, subject: str):
        self.folder = SubjectFolder.of(subject, root)
        self.previous = self.folder.root.with_name(f".previous-{subject}")
        self.building = SubjectFolder(self.folder.root.with_name(f".incoming-re-source-{subject}"))

    def mend(self) -> None:
        """Put right what a kill in the middle of ``swap`` left, and remove what was only being built."""
        aside = self.folder.root.with_name(f".incoming-swap-{self.folder.id}")
        if aside.exists():
            aside.rename(self.building.root if self.folder.root.exists() else self.folder.root)
        if self.building.root.exists():
            if self._holds_old_state() and not self.previous.exists():
                self.building.root.rename(self.previous)
            else:
                shutil.rmtree(self.building.root)

    def _holds_old_state(self) -> bool:
        if not self.building.record.is_file():
            return False
        earlier = read_subject(self.folder.record).earlier
        return bool(earlier) and earlier[-1].source == read_subject(self.building.record).source

    def swap(self) -> None:
        """The state that was built becomes the subject; what it was becomes the previous one, unless there is one.

        A previous state that is there already is the last one that was done: it is worth more than a half-made one.
        """
        _exchange(self.building.root, self.folder.root)
        if self.previous.exists():
            shutil.rmtree(self.building.root)
        else:
            self.building.root.rename(self.previous)


def _exchange(first: Path, second: Path) -> None:
    try:
        exchange(first, second)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise
        # A file system that cannot: three steps, which ``mend`` completes where a kill comes between them.
        aside = second.with_name(f".incoming-swap-{second.name}")
        second.rename(aside)
        first.rename(second)
        aside.rename(first)


def _check(folder: SubjectFolder, video: Path, consent: str) -> None:
    if not consent.strip():
        raise BadInput("consent is empty: say in --consent why this video may be used")
    if not video.is_file():
        kind = "is not a file" if video.exists() else "does not exist"
        raise BadInput(f"video {video} {kind}: give the path of a video file")
    if stopped_at_the_gates(folder):
        raise BadInput(f"subject {folder.id!r} has no source yet: hand the video in with 'erlnet onboard'")
    if folder.frozen.exists():
        raise BadInput(f"subject {folder.id!r} is frozen: 'erlnet unfreeze {folder.id}' first")


def _build(places: _Places, record: SubjectRecord, video: Path, consent: str, gates: list[GateRecord]) -> None:
    folder, building = places.folder, places.building
    changed = (folder.record.name, folder.source.name, folder.source_link.name, folder.checkpoints.name)
    link_tree(folder.root, building.root, changed)
    digest, size = copy_hashed(video, building.source)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    changes = {
        "source": Source(name=video.name, sha256=digest, bytes=size),
        "consent": Consent(statement=consent, recorded=now),
        "clips": [],
        "earlier": [*record.earlier, Earlier(source=record.source, consent=record.consent)],
        "status": "active",  # what was wrong with the old video says nothing of the new one
        "reasons": [],
        "gates": gates,
        "forced": [gate.gate for gate in failing(gates)],
    }
    write_subject(building.record, record.model_copy(update=changes))
