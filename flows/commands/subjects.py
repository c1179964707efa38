"""Commands of a subject's life after onboarding: rename, re-source, remove, freeze, unfreeze, disk, gc."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.launch import run_flow
from flows.commands.options import AsJson, Limit
from tasks.artifacts.layout import SubjectFolder, check_subject_id, repository_root
from tasks.errors import BadInput, TaskError

Subject = Annotated[str, typer.Argument(help="id of the subject")]


def rename(
    old: Annotated[str, typer.Argument(help="the id it has")], new: Annotated[str, typer.Argument(help="the new id")]
) -> None:
    """Give a subject another id; nothing is computed again."""
    from flows.subjects.held import held, tell
    from flows.subjects.rename import rename as work

    root = repository_root()
    with held(root, check_subject_id(old), check_subject_id(new)) as fleet:
        print(f"subject {old} is {new} now" if work(root, old, new) else f"subject {old} was {new} already")
        tell(fleet, new, f"was {old}")
        tell(fleet, old, f"is {new} now")


def re_source(
    subject: Subject,
    video: Annotated[Path | None, typer.Argument(help="the new video")] = None,
    consent: Annotated[str, typer.Option(help="why this video may be used; recorded with it")] = "",
    back: Annotated[bool, typer.Option("--back", help="restore what was there before the last re-source")] = False,
    force: Annotated[bool, typer.Option("--force", help="go on although checks fail; that is recorded")] = False,
    limit: Limit = 2,
) -> None:
    """Make SUBJECT from another video and run every stage again; the old state is kept until that is done."""
    from flows.bridge.planner import Target, make_plan
    from flows.subjects.held import held, tell
    from flows.subjects.re_source import finish, go_back
    from flows.subjects.re_source import re_source as work

    root = repository_root()
    if back == (video is not None):
        raise BadInput("give either a VIDEO and --consent, or --back")
    if video is None:
        with held(root, check_subject_id(subject)) as fleet:
            go_back(root, subject)
            tell(fleet, subject, "as before its last re-source")
        print(f"subject {subject} is as it was before its last re-source")
        return
    with held(root, check_subject_id(subject)) as fleet:
        new = work(root, subject, video.resolve(), consent, force)
        tell(fleet, subject, f"made from {video.name}")
    print(f"subject {subject} is made from {video.name}" + ("" if new else " already"))
    if make_plan(root, [Target(subject)]).stages:
        from flows.repro import repro as flow

        run_flow(flow, {"targets": [subject]}, limit)
    if not finish(root, subject):
        raise TaskError(f"not every stage of {subject} is done: see 'erlnet status'; what was before is still kept")


def remove(
    subject: Subject,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget SUBJECT: delete everything of it here and on DVC's remotes, then search and say what is left."""
    from flows.subjects.held import held, tell
    from flows.subjects.remove import remove as work
    from flows.tables import proof_text

    root = repository_root()
    if not yes:
        folder = SubjectFolder.of(subject, root)
        answer = typer.prompt(f"This deletes {folder.root} and all copies for good. Type the id to go on", err=True)
        if answer != subject:
            raise BadInput("not removed: what was typed is not the id")
    with held(root, check_subject_id(subject)) as fleet:
        proof = work(root, subject, lambda line: print(line, file=sys.stderr))
        tell(fleet, subject, "removed")
    print(json.dumps(asdict(proof), indent=2) if as_json else proof_text(proof))
    if proof.left or proof.unsearched:
        raise TaskError(f"subject {subject} is not gone from everywhere: see above, then give the same command again")


def freeze(subject: Subject, reason: Annotated[str, typer.Option(help="why; shown by 'erlnet status'")] = "") -> None:
    """Leave SUBJECT as it is: repro, refresh and onboard do not touch it."""
    from flows.subjects.freeze import freeze as work
    from flows.subjects.held import held, tell

    with held(repository_root(), check_subject_id(subject)) as fleet:
        print(f"subject {subject} is frozen" if work(fleet.root, subject, reason) else f"subject {subject} was frozen")
        tell(fleet, subject, "frozen")


def unfreeze(subject: Subject) -> None:
    """Let SUBJECT be run again."""
    from flows.subjects.freeze import unfreeze as work
    from flows.subjects.held import held, tell

    with held(repository_root(), check_subject_id(subject)) as fleet:
        state = "is no longer" if work(fleet.root, subject) else "was not"
        print(f"subject {subject} {state} frozen")
        tell(fleet, subject, "no longer frozen")


def disk(as_json: AsJson = False) -> None:
    """What every subject costs on this disk."""
    from flows.subjects.disk import usage
    from flows.tables import disk_table

    found = usage(repository_root())
    print(json.dumps(asdict(found), indent=2) if as_json else disk_table(found))


def gc(
    delete: Annotated[bool, typer.Option("--delete", help="delete it; without this it is only shown")] = False,
    history: Annotated[bool, typer.Option("--keep-history", help="keep what any git commit's locks refer to")] = False,
) -> None:
    """Free the cache of what no lock refers to.  Frozen and quarantined subjects keep everything."""
    from flows.subjects.garbage import collect

    found = collect(repository_root(), delete, history)
    verb = "deleted" if delete else "would be deleted (with --delete)"
    print(f"{len(found.unused)} objects, {found.bytes / 1e6:.1f} MB, {verb}; {found.kept} objects are in use")
