"""The ``erlnet`` command: what it can do, and how it ends.

Exit status: 0 success; 2 bad input or usage; 1 a failed stage, named; 130 interrupted.  Errors are one line.
Prefect and DVC are imported by the commands that need them, so that help comes at once.
"""

import signal
import sys
from collections.abc import Callable
from typing import Any

import typer

from flows.commands import check, machine, pipeline, portraits, subjects
from tasks.errors import BadInput, TaskError

# typer carries its own copy of click, or uses the installed one, depending on its version.
ClickException: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

INTERRUPTED = 130  # exit status, by the shell's convention for a process that an interrupt ended

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Personal, style-controllable talking portraits from a few minutes of video.",
)
# In the order of the help page.  A command's name is its function's, with '-' for '_' (but for a word of Python's).
app.command()(check.check)
app.command()(pipeline.onboard)
app.command()(portraits.animate)
app.command()(portraits.overlay)
app.command()(portraits.export)
app.command()(portraits.lineage)
app.command()(pipeline.status)
app.command()(pipeline.repro)
app.command()(pipeline.plan)
app.command()(pipeline.prior)
app.command("import")(pipeline.import_set)
app.command()(subjects.rename)
app.command()(subjects.re_source)
app.command()(subjects.freeze)
app.command()(subjects.unfreeze)
app.command()(subjects.remove)
app.command()(subjects.disk)
app.command()(subjects.gc)
app.command()(machine.doctor)
app.add_typer(machine.assets, name="assets")


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
