"""How a task that is no DVC stage ends on the command line: one line for every failure, and an exit status."""

import sys
import traceback
from collections.abc import Callable

from tasks.errors import BadInput, TaskError
from tasks.stage import explain_os_error


def exit_status(name: str, work: Callable[[], None]) -> int:
    """Do ``work``; 0, or 2 for bad input, 1 for a failure, 130 for an interrupt, each but the last with its line."""
    try:
        work()
    except KeyboardInterrupt:
        return 130
    except TaskError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    except OSError as error:
        print(f"{name}: error: {explain_os_error(error)}", file=sys.stderr)
        return 1
    except Exception as error:
        # A defect of ours: the traceback for whoever mends it, the line for whoever reads the last one.
        traceback.print_exc()
        print(f"{name}: error: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0
