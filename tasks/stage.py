"""What ``python -m tasks.<stage>`` does round the stage's own ``run()``.

    python -m tasks.crop --subject ID --profile demo

A stage module has a dataclass of parameters and ``run(folder, params)``; ``main`` reads the parameters, keeps
the run record, and turns every failure into one line and an exit status: 2 bad input, 1 failed stage.
"""

import argparse
import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder
from tasks.errors import BadInput, TaskError
from tasks.params import load_params

P = TypeVar("P")


def main(
    stage: str,
    params: type[P],
    run: Callable[[SubjectFolder, P], Any],
    argv: list[str] | None = None,
    options: Sequence[str] = (),
) -> int:
    """Run one stage of one subject from the command line; returns the exit status.

    options: parameters, numbers all of them, that a run by hand may set on the command line; DVC knows only those of
    ``params.yaml``.
    """
    parser = argparse.ArgumentParser(prog=f"python -m tasks.{stage}", description=sys.modules[run.__module__].__doc__)
    parser.add_argument("--subject", required=True, help="id of the subject: a folder of data/subjects")
    parser.add_argument("--profile", required=True, help="profile of params.yaml")
    for name in options:
        parser.add_argument(f"--{name}", type=float, help="in place of the profile's, for a run by hand")
    arguments = parser.parse_args(argv)
    changes = {name: getattr(arguments, name) for name in options if getattr(arguments, name) is not None}
    try:
        folder = SubjectFolder.of(arguments.subject)
        if not folder.root.is_dir():
            raise BadInput(f"no subject {folder.id!r}: {folder.root} does not exist; 'erlnet status' lists subjects")
    except TaskError as error:
        return _complain(stage, error)
    try:
        values = load_params(params, arguments.profile, stage, changes=changes)
        record = run_record.begin(folder.runs, stage)
    except TaskError as error:
        with contextlib.suppress(OSError):
            run_record.refuse(folder.runs, stage, str(error))
        return _complain(stage, error)
    except OSError as error:
        print(f"{stage}: error: {explain_os_error(error)}", file=sys.stderr)
        return 1
    try:
        run(folder, values)
    except KeyboardInterrupt:
        _finish(folder, record, "failed", "interrupted")
        return 130
    except TaskError as error:
        _finish(folder, record, "failed", str(error))
        return _complain(stage, error)
    except OSError as error:
        message = explain_os_error(error)
        _finish(folder, record, "failed", message)
        print(f"{stage}: error: {message}", file=sys.stderr)
        return 1
    except Exception as error:
        # A defect of ours: the traceback is what whoever mends it needs.
        _finish(folder, record, "failed", f"{type(error).__name__}: {error}")
        traceback.print_exc()
        return 1
    _finish(folder, record, "done")
    return 0


def explain_os_error(error: OSError) -> str:
    """One line that says what the operating system refused and what to do."""
    where = f" while writing {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{where}: free some space and run again; finished stages are kept"
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return f"no permission{where}: make the folder writable and run again"
    return f"{os.strerror(error.errno) if error.errno else error}{where}"


def _finish(
    folder: SubjectFolder, record: run_record.RunRecord, outcome: run_record.Outcome, message: str = ""
) -> None:
    """Complete the diary; a disk that failed the stage may not hold that either, and work that is done stays done."""
    with contextlib.suppress(OSError):
        run_record.finish(folder.runs, record, outcome, message)


def _complain(stage: str, error: TaskError) -> int:
    print(f"{stage}: error: {error}", file=sys.stderr)
    return 2 if isinstance(error, BadInput) else 1
