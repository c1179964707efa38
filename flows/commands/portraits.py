"""Commands that use a finished portrait: animate."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.launch import run_flow
from tasks.artifacts.layout import SubjectFolder
from tasks.errors import BadInput


def animate(
    subject: Annotated[str, typer.Option(help="id of the subject")],
    audio: Annotated[Path, typer.Option(help="speech: any audio or video file")],
    out: Annotated[Path, typer.Option(help="the MP4 to write")],
    style: Annotated[str | None, typer.Option(help="subject id, style label or video to take the style from")] = None,
) -> None:
    """Let a subject say AUDIO."""
    # The task checks everything; these two come before Prefect is started because they are what people mistype.
    if not SubjectFolder.of(subject).record.is_file():
        raise BadInput(f"no subject {subject!r}: 'erlnet status' lists subjects")
    if not audio.is_file():
        kind = "is not a file" if audio.exists() else "does not exist"
        raise BadInput(f"audio {audio} {kind}: give the path of a sound or video file")
    from flows.animate import animate as flow

    run_flow(flow, {"subject": subject, "audio": audio.resolve(), "out": out.resolve(), "style": style})
    print(out)
