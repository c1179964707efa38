"""Commands of a subject's life after onboarding: rename, freeze, unfreeze, disk, gc."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from flows.commands.options import AsJson
from tasks.artifacts.layout import repository_root

Subject = Annotated[str, typer.Argument(help="id of the subject")]


def rename(
    old: Annotated[str, typer.Argument(help="the id it has")], new: Annotated[str, typer.Argument(help="the new id")]
) -> None:
    """Give a subject another id; nothing is computed again."""
    from flows.subjects.rename import rename as work

    print(f"subject {old} is {new} now" if work(repository_root(), old, new) else f"subject {old} was {new} already")


def freeze(subject: Subject, reason: Annotated[str, typer.Option(help="why; shown by 'erlnet status'")] = "") -> None:
    """Leave SUBJECT as it is: repro, refresh and onboard do not touch it."""
    from flows.subjects.freeze import freeze as work

    print(f"subject {subject} is frozen" if work(repository_root(), subject, reason) else f"{subject} was frozen")


def unfreeze(subject: Subject) -> None:
    """Let SUBJECT be run again."""
    from flows.subjects.freeze import unfreeze as work

    print(f"subject {subject} is no longer frozen" if work(repository_root(), subject) else f"{subject} was not frozen")


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
