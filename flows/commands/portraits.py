"""Commands that write a video of a subject: animate, overlay."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.launch import run_flow
from flows.environment import stage_environment
from tasks.artifacts.layout import SubjectFolder, repository_root
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


def overlay(
    subject: Annotated[str, typer.Option(help="id of the subject")],
    out: Annotated[Path | None, typer.Option(help="the MP4 to write; ID_overlay.mp4 here by default")] = None,
) -> int:
    """Draw what the track stage found over a subject's video: mesh, landmarks, frames that were not seen."""
    if not SubjectFolder.of(subject).root.is_dir():
        raise BadInput(f"no subject {subject!r}: 'erlnet status' lists subjects")
    path = (out or Path(f"{subject}_overlay.mp4")).resolve()
    command = [sys.executable, "-m", "tasks.overlay", "--subject", subject, "--out", str(path)]
    # On this terminal, for its progress bar; it says itself what went wrong.
    process = subprocess.Popen(command, cwd=repository_root(), env=stage_environment())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
