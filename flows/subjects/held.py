"""A subject for one's own: no flow works on it meanwhile, here or elsewhere, and other machines hear of the change."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from flows.fleet import Fleet, open_fleet
from tasks.errors import BadInput, TaskError


@contextlib.contextmanager
def held(root: Path, *subjects: str) -> Iterator[Fleet]:
    """Claim ``subjects`` and take over what other machines sent.  Raises BadInput where a flow works on one of them."""
    with open_fleet(root) as fleet, contextlib.ExitStack() as claims:
        for subject in sorted(set(subjects)):
            give_back = fleet.claims.claim(subject)
            if give_back is None:
                raise BadInput(f"a flow works on subject {subject!r}: wait for its end, or interrupt it")
            claims.callback(give_back)
        if fleet.sharing is not None:
            fleet.sharing.receive()
        yield fleet


def tell(fleet: Fleet, subject: str, message: str) -> None:
    """Send a subject's folder as it is now, or that it is gone, to the other machines, if there are any.

    Where that fails it is said, and the next run of a flow sends it.
    """
    if fleet.sharing is None:
        return
    try:
        fleet.sharing.branch.send(subject, f"{subject}: {message}")
    except TaskError as error:
        print(f"not sent to the other machines yet: {error}", file=sys.stderr)
