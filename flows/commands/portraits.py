"""Commands that use what was made of a subject: animate, overlay, export, lineage."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.launch import run_flow, run_task
from flows.commands.options import AsJson
from flows.environment import as_options
from tasks.artifacts.layout import SubjectFolder
from tasks.errors import BadInput


def animate(
    out: Annotated[Path, typer.Option(help="the MP4 or WebM to write")],
    audio: Annotated[Path | None, typer.Option(help="speech to say: any audio or video file")] = None,
    drive: Annotated[Path | None, typer.Option(help="video of a person whose motion is repeated")] = None,
    redub: Annotated[Path | None, typer.Option(help="speech to say in the subject's own video")] = None,
    subject: Annotated[str | None, typer.Option(help="id of the subject")] = None,
    avatar: Annotated[Path | None, typer.Option(help="file that 'erlnet export' wrote, instead of a subject")] = None,
    style: Annotated[
        list[str] | None,
        typer.Option(help="subject id, style label or video to take the style from; twice: two styles, see --blend"),
    ] = None,
    blend: Annotated[float | None, typer.Option(help="share of the second style, 0 to 1; half by default")] = None,
    strength: Annotated[float | None, typer.Option(help="of the style: 0 none, 1 as it is, 2 exaggerated")] = None,
    emphasis: Annotated[float | None, typer.Option(help="how much livelier loud stretches are, 0 to 1")] = None,
    size: Annotated[int | None, typer.Option(help="pixels a side, even; as trained by default")] = None,
    background: Annotated[str | None, typer.Option(help="plate (as filmed), transparent (WebM) or #rrggbb")] = None,
    turn: Annotated[str | None, typer.Option(help="turn the camera by YAW[,PITCH] degrees, a few at most")] = None,
) -> int:
    """Let a subject, or an exported avatar, say AUDIO, do what DRIVE does, or say REDUB in its own video."""
    if (subject is None) == (avatar is None):
        raise BadInput("say who is to be seen: give either --subject ID or --avatar FILE")
    # The task checks everything; these come before Prefect is started because they are what people mistype.
    if subject is not None and not SubjectFolder.of(subject).record.is_file():
        raise BadInput(f"no subject {subject!r}: 'erlnet status' lists subjects")
    sources = {"audio": audio, "drive": drive, "redub": redub}
    given = {name: path for name, path in sources.items() if path is not None}
    if len(given) != 1:
        raise BadInput("say what to do: give exactly one of --audio SOUND, --drive VIDEO and --redub SOUND")
    for name, path in given.items():
        if not path.is_file():
            kind = "is not a file" if path.exists() else "does not exist"
            file = "video" if name == "drive" else "sound or video"
            raise BadInput(f"{name} {path} {kind}: give the path of a {file} file")
    wanted: dict[str, Any] = {name: path.resolve() for name, path in given.items()}
    wanted |= {"style": style or None, "blend": blend, "strength": strength, "emphasis": emphasis}
    wanted |= {"out": out.resolve(), "size": size, "background": background, "turn": turn}
    if avatar is not None:
        # Nothing of this checkout's pipeline is involved, so no flow is.
        return run_task("animate", *as_options({"avatar": avatar.resolve(), **wanted}))
    from flows.animate import animate as flow

    run_flow(flow, {"subject": subject, **wanted})
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
