"""Where a person still is: the names and hashes that point to one subject, and the search for them.

Names are looked for where they mean the subject: after ``data/subjects/`` or ``--subject``, in quotes, after the word
"subject", in the name of a flow run.  A bare ``a`` in a log is no trace of subject ``a``; an id of five characters and
more that is no common word is looked for bare as well, except in binary files.
"""

import contextlib
import hashlib
import json
import mmap
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml
from tqdm import tqdm

from flows.bridge.graph import PRIOR, subject_ids
from flows.pipeline import STAGES
from flows.subjects.objects import Cache, lock_files, owner, references
from tasks.artifacts.atomic import write_text
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.lock import parse_added, parse_lock
from tasks.artifacts.subject import SubjectRecord, read_subject
from tasks.code_history import past_files, past_locks
from tasks.errors import DamagedArtifact

_COMMON = {*STAGES, "shared", "subject", "subjects", "inbox", "data", "video", "audio", "erlnet", "onboard", "refresh"}
_BLOCK = 1 << 20


@dataclass
class Person:
    """What points to a subject.

    names: its id and those it had.  objects: md5 of everything that was made of it, in this checkout and in git's
    history.  sources: sha256 of its videos; sizes: their bytes.  kept: those objects that somebody else's lock names
    too, with whose; they are no longer only this person's and stay.
    """

    names: list[str]
    objects: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        write_text(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Person":
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def named(self, binary: bool = False) -> "re.Pattern[str]":
        """Matches text that names the subject."""
        return re.compile("|".join(_mention(name, binary) for name in self.names))


@dataclass(frozen=True)
class Trace:
    """where: a path or a table.  what: the name or hash that was found there."""

    where: str
    what: str


def identify(root: Path, cache: Cache, subject: str) -> Person:
    """Everything that points to ``subject``, while its folder is still there."""
    record = read_subject(SubjectFolder.of(subject, root).record)
    person = Person([*dict.fromkeys([subject, *record.formerly])])
    sources = [record.source, *(earlier.source for earlier in record.earlier)]
    shared = {source.sha256 for other in _others(root, subject) for source in [other.source]}
    person.sources = [source.sha256 for source in sources if source.sha256 not in shared]
    person.sizes = [source.bytes for source in sources if source.sha256 not in shared]
    mine = {subject, f".previous-{subject}"}
    own = _made_of(root, cache, person.names, mine)
    for name, oids in references(root).items():
        if name not in mine and name != PRIOR:  # a prior that was learned from the person is no reason to keep anything
            person.kept.update(dict.fromkeys(sorted(own & oids), name))
    person.objects = sorted(own - person.kept.keys())
    return person


def identify_gone(root: Path, cache: Cache, subject: str) -> Person | None:
    """What points to a subject whose folder is gone, because it was removed on another machine or by hand.

    Known from git's history and from DVC's memory of runs; None where neither has heard of it.
    """
    person = Person([subject])
    for path, text in past_files(root, f"data/subjects/{subject}"):
        if path.endswith("/subject.yaml"):
            with contextlib.suppress(yaml.YAMLError, KeyError, TypeError, AttributeError):
                record = yaml.safe_load(text)
                sources = [record["source"], *(earlier["source"] for earlier in record.get("earlier") or [])]
                person.names += [name for name in record.get("formerly") or [] if name not in person.names]
                for source in sources:
                    if source["sha256"] not in person.sources:
                        person.sources.append(source["sha256"])
                        person.sizes.append(source["bytes"])
    own = _made_of(root, cache, person.names, {subject, f".previous-{subject}"})
    if not own and not person.sources:
        return None
    for name, oids in references(root).items():
        if name == PRIOR:
            continue
        person.kept.update(dict.fromkeys(sorted(own & oids), name))
    shared = {other.source.sha256 for other in _others(root, subject)}
    person.sources = [sha256 for sha256 in person.sources if sha256 not in shared]
    person.objects = sorted(own - person.kept.keys())
    return person


def _made_of(root: Path, cache: Cache, names: list[str], folders: set[str]) -> set[str]:
    """Objects named under the subject's paths: by its locks of today and of the past, by runs, and by its files."""
    paths = tuple(f"data/subjects/{name}/" for name in names)
    own: set[str] = set()

    def take(path: Path, text: bytes) -> None:
        if path.name.endswith(".dvc"):
            own.update(file.md5 for file in parse_added(text, path))
            return
        for stage in parse_lock(text, path).values():
            files = (*stage.deps.values(), *stage.outs.values())
            own.update(file.md5 for file in files if file.path.startswith(paths) and file.md5)

    for path in lock_files(root):
        if owner(root, path) in folders:
            take(path, path.read_bytes())
    for past, text in past_locks(root, *(path.rstrip("/") for path in paths)):
        with contextlib.suppress(DamagedArtifact):  # a commit of a lock with conflict marks says nothing
            take(Path(past), text)
    commands = tuple(f"--subject {name} " for name in names)
    for _, command, outs in cache.run_entries():
        if any(text in command + " " for text in commands):
            own |= outs
    for name in folders:
        files = (root / "data" / "subjects" / name).glob("*")
        own.update(_md5(path) for path in files if path.is_file() and path.name != ".gitignore")
    return own


def _others(root: Path, subject: str) -> Iterator[SubjectRecord]:
    for other in subject_ids(root):
        if other != subject:
            yield read_subject(SubjectFolder.of(other, root).record)


def search(root: Path, cache: Cache, person: Person, progress: bool = True) -> list[Trace]:
    """Look for the person in ``data``, ``.dvc`` with the whole cache, and ``.prefect``: file names and contents."""
    found = [
        Trace(os.path.relpath(cache.path(oid), root), oid)
        for oid in sorted(cache.objects().keys() & set(person.objects))
    ]
    hashes = [*person.objects, *person.sources]
    names = {*person.names, *(f".previous-{name}" for name in person.names)}
    named = person.named()
    files = [path for folder in ("data", ".dvc", ".prefect") for path in sorted((root / folder).rglob("*"))]
    # PostgreSQL's own files are asked through PostgreSQL: what it deleted stays in its log for a while.
    files = [path for path in files if not path.is_relative_to(root / ".prefect" / "postgres")]
    for path in tqdm(files, "searching", unit="file", mininterval=1.0, disable=not progress, leave=False):
        where = os.path.relpath(path, root)
        if path.name in names or (path.stem in names and path.is_relative_to(root / "data")) or named.search(where):
            found.append(Trace(where, path.name))
        elif path.is_file() and not path.is_symlink():
            # An object's own content can name the person (a report, a render) but no hash of what it is made of.
            what = _mentioned(path, person, [] if path.is_relative_to(cache.files) else hashes)
            if what:
                found.append(Trace(where, what))
    return found


def _mentioned(path: Path, person: Person, hashes: list[str]) -> str | None:
    """The first name or hash of the person in a file's bytes."""
    try:
        if path.stat().st_size == 0:
            return None
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            binary = data.find(b"\0", 0, _BLOCK) >= 0
            pattern = re.compile(person.named(binary).pattern.encode())
            match = pattern.search(data)
            if match:
                return match.group().decode(errors="replace")
            for text in hashes:
                if data.find(text.encode()) >= 0:
                    return text
    except (FileNotFoundError, ValueError):  # gone, or emptied, while we look
        return None
    return None


def _mention(name: str, binary: bool) -> str:
    """Pattern for a name in the places that mean the subject, and bare where it cannot be anything else."""
    text = re.escape(name)
    end = r"(?![A-Za-z0-9_-])"
    before = r"(?:subjects/(?:\.previous-)?|--subject[ =]|[Ss]ubjects? ['\"]?|subject-|onboard-|animate-|\bas '?)"
    places = [before + text + end, rf"[\"']{text}(?:[\"']|:[a-z]+[\"'])", rf"\bid: ['\"]?{text}{end}"]
    places.append(rf"gates-{text.replace('_', '-')}{end}")  # a key of Prefect's artifacts, which have no '_'
    if len(name) >= 5 and name not in _COMMON and not binary:
        places.append(rf"(?<![A-Za-z0-9_-]){text}{end}")
    return "|".join(places)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
