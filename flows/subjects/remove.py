"""Forgets a person, and proves it.

What points to the person is worked out first and written down (``.dvc/tmp/erlnet/removing-ID.json``), so that a removal
which was cut short ends when the same command is given again, the folder being gone or not.  Deleted are the folder,
copies of the video in the inbox, cache objects and remembered runs, those on every DVC remote, what DVC and this
project remember of files, and what Prefect's database says.  Then everything is searched anew, by names and hashes, by
code that knows nothing of what was deleted.  Objects that another subject's lock refers to stay, and are told of.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from flows.corpus import learned_from
from flows.subjects import inboxes, prefect_data, remotes, settling, traces
from flows.subjects.known import check_idle, known
from flows.subjects.objects import Cache, local_cache
from flows.subjects.traces import Person, Trace
from tasks.artifacts.atomic import write_text
from tasks.artifacts.layout import SubjectFolder, check_subject_id
from tasks.code_history import past_locks
from tasks.errors import BadInput


@dataclass
class Proof:
    """What was deleted, by kind, and what was found afterwards.

    left: traces that are still there; empty is the proof.  kept: objects that stay, with whose they are too.
    learned: what was learned from the person among others, and what to do about it.
    unsearched: places this machine cannot look into.  commits: versions of its files that git's history holds.
    """

    subject: str
    deleted: dict[str, int] = field(default_factory=dict)
    left: list[Trace] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    learned: list[str] = field(default_factory=list)
    unsearched: list[str] = field(default_factory=list)
    commits: int = 0
    names: list[str] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)


def remove(root: Path, subject: str, say: Callable[[str], None] = lambda _: None) -> Proof:
    """Delete everything of ``subject`` and search for it.  Safe to repeat.  Raises BadInput, StageFailed."""
    check_subject_id(subject)
    cache = local_cache(root)
    journal = root / ".dvc" / "tmp" / "erlnet" / f"removing-{subject}.json"
    if SubjectFolder.of(subject, root).record.is_file():
        check_idle(known(root, subject))
        person = traces.identify(root, cache, subject)
        if journal.exists():  # an earlier removal, cut short: what it knew counts as well
            person = _both(person, Person.load(journal))
    elif journal.exists():
        person = Person.load(journal)
    else:
        # Removed by hand, or on another machine of the fleet: objects and runs are still here.
        gone = traces.identify_gone(root, cache, subject)
        if gone is None:
            raise BadInput(f"no subject {subject!r} in data/subjects: 'erlnet status' lists the subjects")
        person = gone
    person.save(journal)
    proof = Proof(subject, kept=dict(person.kept), names=person.names, learned=learned_from(root, person.names))
    _delete(root, cache, person, proof, say)
    say("searching for what is left")
    _search(root, cache, person, proof)
    proof.left = [trace for trace in proof.left if trace.where != str(journal.relative_to(root))]
    if not (proof.left or proof.unsearched):  # otherwise the same command can go on
        journal.unlink()
    return proof


def _both(now: Person, then: Person) -> Person:
    return Person(
        names=[*dict.fromkeys([*now.names, *then.names])],
        objects=sorted({*now.objects, *then.objects} - now.kept.keys()),
        sources=[*dict.fromkeys([*now.sources, *then.sources])],
        sizes=[*dict.fromkeys([*now.sizes, *then.sizes])],
        kept=now.kept,
    )


def _delete(root: Path, cache: Cache, person: Person, proof: Proof, say: Callable[[str], None]) -> None:
    deleted = proof.deleted
    say("deleting what the inbox and the subject's folder hold")
    deleted["files of the inbox"] = inboxes.forget(root, person)
    marks = (*_MARKS, *_HALF_DONE, ".incoming-removed-.previous-")
    folders = [root / "data" / "subjects" / f"{mark}{name}" for name in person.names for mark in marks]
    claims = root / ".dvc" / "tmp" / "erlnet" / "claims"
    _unlink(claims / f"subject-{name}.lock" for name in person.names)
    deleted["files of the subject's folder"] = sum(_remove_tree(folder) for folder in folders)
    say("deleting from DVC's cache and remotes")
    objects = (cache.path(oid) for oid in person.objects)
    deleted["objects of DVC's cache"] = _unlink(path for path in objects if path.exists())
    runs = (path for path, command, _ in cache.run_entries() if _names_run(person, command))
    deleted["remembered runs"] = _unlink(runs)
    _forget_files(root, person)
    deleted["files on remotes"] = remotes.forget(root, person)
    url = prefect_data.database_url()
    if url is not None:
        say("waiting for Prefect's server to write what it holds")
        settling.settle()
        say("deleting from Prefect's database")
        deleted["rows of Prefect's database"] = sum(prefect_data.forget(url, person).values())


def _search(root: Path, cache: Cache, person: Person, proof: Proof) -> None:
    proof.left = [*traces.search(root, cache, person), *inboxes.search(root, person), *remotes.search(root, person)]
    proof.searched = [
        "data",
        f"the inbox {inboxes.name(root)}",
        ".dvc with the cache",
        ".prefect",
        *(f"remote {name}" for name in remotes.names(root)),
    ]
    url = prefect_data.database_url()
    if url is not None:
        counts = prefect_data.mentions(url, person)
        proof.left += [Trace(f"Prefect's table {table}", f"{count} rows") for table, count in counts.items()]
        proof.searched.append("Prefect's database")
    elif _server_elsewhere():
        proof.unsearched.append(f"the database of the Prefect server at {_server_elsewhere()}")
    proof.commits = sum(1 for _ in past_locks(root, *(f"data/subjects/{name}" for name in person.names)))


def _server_elsewhere() -> str:
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() or ""


def _names_run(person: Person, command: str) -> bool:
    return any(f"--subject {name} " in command + " " for name in person.names)


def _forget_files(root: Path, person: Person) -> None:
    """DVC remembers hashes by path, in a folder of the system; this project remembers what was up to date."""
    from dvc.repo import Repo

    subjects = root / "data" / "subjects"
    folders = tuple(f"{subjects}/{mark}{name}/" for name in person.names for mark in _MARKS)
    objects = {str(local_cache(root).path(oid)) for oid in person.objects}
    with Repo(str(root)) as repo:
        for memory in (repo.state.hashes, repo.state.links):
            for key in list(memory.iterkeys()):
                text = key if isinstance(key, str) else ""
                if text.startswith(folders) or (str(root / text) + "/").startswith(folders) or text in objects:
                    memory.delete(key)
        if repo.data_index is not None:
            repo.drop_data_index()
    path = root / ".dvc" / "tmp" / "erlnet" / "up_to_date.json"
    if path.exists():
        data = json.loads(path.read_text(encoding="utf-8"))
        for name in person.names:
            data.get("units", {}).pop(name, None)
        write_text(path, json.dumps(data, separators=(",", ":")) + "\n")


_MARKS = ("", ".previous-")
_HALF_DONE = tuple(f".incoming-{what}-" for what in ("rename", "rename-gone", "re-source", "swap", "removed"))


def _remove_tree(folder: Path) -> int:
    if not folder.exists():
        return 0
    count = sum(1 for path in folder.rglob("*") if path.is_file())
    # First out of sight: a removal that is cut short leaves no half of a subject behind.
    gone = folder.with_name(f".incoming-removed-{folder.name.removeprefix('.incoming-removed-')}")
    if gone != folder:
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
    shutil.rmtree(gone)
    return count


def _unlink(paths: Iterable[Path]) -> int:
    count = 0
    for path in list(paths):
        path.unlink(missing_ok=True)
        count += 1
    return count
