"""How a flow ends: an error of ours becomes a state with its one line, not a traceback in the log."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect.states import Failed, State

from flows.gates import Quarantined
from tasks.errors import BadInput, TaskError
from tasks.stage import explain_os_error

P = ParamSpec("P")
T = TypeVar("T")

BAD_INPUT = "BadInput"  # name of the state: tells a user's mistake from a failed stage
QUARANTINED = "Quarantined"  # and this one a video that failed the gates


def one_line(function: Callable[P, T]) -> Callable[P, T | State[Any]]:
    """Wrap the body of a flow so that TaskError and OSError end it in a Failed state with their message."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T | State[Any]:
        try:
            return function(*args, **kwargs)
        except Quarantined as error:
            return Failed(name=QUARANTINED, message=str(error))
        except BadInput as error:
            return Failed(name=BAD_INPUT, message=str(error))
        except TaskError as error:
            return Failed(message=str(error))
        except OSError as error:
            return Failed(message=explain_os_error(error))

    return wrapped


def raise_unless_completed(state: State[Any]) -> None:
    """Turn the final state of a flow back into the error it stands for."""
    if state.is_completed():
        return
    message = state.message or f"the flow ended in state {state.name}"
    raise BadInput(message) if state.name in (BAD_INPUT, QUARANTINED) else TaskError(message)
