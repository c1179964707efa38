"""Commands that use what was made of a subject: animate, overlay, export, lineage."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.launch import run_flow, run_task
from flows.commands.options import AsJson
from tasks.artifacts.layout import SubjectFolder
from tasks.errors import BadInput


def animate(
    audio: Annotated[Path, typer.Option(help="speech: any audio or video file")],
    out: Annotated[Path, typer.Option(help="the MP4 to write")],
    subject: Annotated[str | None, typer.Option(help="id of the subject")] = None,
    avatar: Annotated[Path | None, typer.Option(help="file that 'erlnet export' wrote, instead of a subject")] = None,
    style: Annotated[str | None, typer.Option(help="subject id, style label or video to take the style from")] = None,
) -> int:
    """Let a subject, or an exported avatar, say AUDIO."""
    if (subject is None) == (avatar is None):
        raise BadInput("say who speaks: give either --subject ID or --avatar FILE")
    # The task checks everything; these two come before Prefect is started because they are what people mistype.
    if subject is not None and not SubjectFolder.of(subject).record.is_file():
        raise BadInput(f"no subject {subject!r}: 'erlnet status' lists subjects")
    if not audio.is_file():
        kind = "is not a file" if audio.exists() else "does not exist"
        raise BadInput(f"audio {audio} {kind}: give the path of a sound or video file")
    if avatar is not None:
        # Nothing of this checkout's pipeline is involved, so no flow is.
        wanted = ["--style", style] if style is not None else []
        files = ["--avatar", str(avatar.resolve()), "--audio", str(audio.resolve()), "--out", str(out.resolve())]
        return run_task("animate", *files, *wanted)
    from flows.animate import animate as flow

    run_flow(flow, {"subject": subject, "audio": audio.resolve(), "out": out.resolve(), "style": style})
    print(out)
    return 0


def overlay(
    subject: Annotated[str, typer.Option(help="id of the subject")],
    out: Annotated[Path | None, typer.Option(help="the MP4 to write; ID_overlay.mp4 here by default")] = None,
) -> int:
    """Draw what the track stage found over a subject's video: mesh, landmarks, frames that were not seen."""
    if not SubjectFolder.of(subject).root.is_dir():
        raise BadInput(f"no subject {subject!r}: 'erlnet status' lists subjects")
    path = (out or Path(f"{subject}_overlay.mp4")).resolve()
    return run_task("overlay", "--subject", subject, "--out", str(path))


def export(
    subject: Annotated[str, typer.Argument(help="id of the subject")],
    out: Annotated[Path, typer.Option(help="the file to write, *.erlnet")],
    without_head: Annotated[bool, typer.Option("--without-head", help="leave the head model out")] = False,
) -> int:
    """Write SUBJECT's avatar as a single file, which 'erlnet animate --avatar' runs anywhere."""
    more = ["--without-head"] if without_head else []
    return run_task("export", "--subject", subject, "--out", str(out.resolve()), *more)


def lineage(
    target: Annotated[str, typer.Argument(help="a video that was rendered, or the id of a subject")],
    audio: Annotated[Path | None, typer.Option(help="check that this sound drove the video")] = None,
    as_json: AsJson = False,
) -> int:
    """Where a video or a subject comes from: source, consent, code, parameters, models, parts; what still agrees."""
    path = Path(target)
    more = ["--audio", str(audio.resolve())] if audio is not None else []
    return run_task(
        "lineage", str(path.resolve()) if path.is_file() else target, *more, *(["--json"] if as_json else [])
    )
