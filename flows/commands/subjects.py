"""Commands of a subject's life after onboarding: freeze, unfreeze."""

from typing import Annotated

import typer

from tasks.artifacts.layout import repository_root

Subject = Annotated[str, typer.Argument(help="id of the subject")]


def freeze(subject: Subject, reason: Annotated[str, typer.Option(help="why; shown by 'erlnet status'")] = "") -> None:
    """Leave SUBJECT as it is: repro, refresh and onboard do not touch it."""
    from flows.subjects.freeze import freeze as work

    print(f"subject {subject} is frozen" if work(repository_root(), subject, reason) else f"{subject} was frozen")


def unfreeze(subject: Subject) -> None:
    """Let SUBJECT be run again."""
    from flows.subjects.freeze import unfreeze as work

    print(f"subject {subject} is no longer frozen" if work(repository_root(), subject) else f"{subject} was not frozen")
