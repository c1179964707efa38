"""What a fault is, and what follows it: a look, the one command that must mend everything, another look.

A scenario does its harm and leaves the machine well again: the disk has room, the remote answers.  What it finds out is
an ``Account``; ``suffer`` then gives the command, and judges.
"""

import contextlib
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.faults.fleet import STAGES, Ended, Fleet, wait_for

HIT = "a:track"  # the stage that runs when the fault comes; a:crop and all of b are done before


class CannotInject(Exception):
    """This machine does not let the fault be made; the message says what it lacks."""


@dataclass
class Account:
    """What a fault did and how it was mended.

    happened: what the user saw.  lies: differences between ``erlnet status`` and the truth, at any time.
    seconds: of the one command after it.  lost: finished artifacts that are not what they must be.  repeated: starts
    too many.  running: stages the fault hit while they ran.  left: what is not as it should be in the end; ``checks``
    are asked for more of that.
    """

    happened: str = ""
    lies: list[str] = field(default_factory=list)
    seconds: float = 0.0
    word: str = ""
    status: int = 0
    lost: list[str] = field(default_factory=list)
    repeated: dict[str, int] = field(default_factory=dict)
    running: set[str] = field(default_factory=lambda: {HIT})
    left: list[str] = field(default_factory=list)
    checks: list[Callable[[], list[str]]] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Scenario:
    """inject: does the harm and fills in the account.

    embedded: with the server that ``erlnet`` starts for itself, or with one of the fault's own.
    slow: not one of those that every run of the tests has time for.
    """

    name: str
    inject: Callable[[Fleet, Account], None]
    embedded: bool = False
    slow: bool = True


def suffer(fleet: Fleet, scenario: Scenario) -> Account:
    """Inject the fault, look, give ``erlnet repro`` once, look again."""
    finished = [entry for entry in entries() if fleet.is_done(entry)]
    account = Account()
    scenario.inject(fleet, account)
    account.lies += fleet.lies()
    unharmed = [entry for entry in finished if entry not in account.running]
    account.lost += [entry for entry in unharmed if not fleet.intact(entry) and not _in_cache(fleet, entry)]
    for order in (fleet.root / "control").glob("*"):
        order.unlink()
    ended = fleet.run("repro")
    account.seconds, account.word, account.status = ended.seconds, ended.word, ended.status
    account.lies += fleet.lies()
    account.left = [entry for entry in entries() if not fleet.is_done(entry)]
    account.left += [f"process {process.pid}" for process in fleet.processes()]
    account.left += [str(path.relative_to(fleet.root)) for path in fleet.root.glob("data/subjects/*/*.tmp-*")]
    for check in account.checks:
        account.left += check()
    starts = Counter(fleet.toy.started())
    account.repeated = {
        entry: count - (entry not in finished) for entry, count in starts.items() if count > (entry not in finished)
    }
    return account


def entries() -> list[str]:
    return [f"{subject}:{stage}" for subject in "ab" for stage in STAGES]


def _in_cache(fleet: Fleet, entry: str) -> bool:
    """Whether DVC's cache holds the artifact, whole."""
    data = fleet.expected(*entry.split(":"))
    path = fleet.cached(data)
    return path.is_file() and path.read_bytes() == data


def say(ended: Ended) -> str:
    word = re.sub(r"^[\d:.]+ \| (INFO|ERROR) +\| Flow run '[^']*' - ", "", ended.word)
    return f"exit {ended.status}: {word}"


@contextlib.contextmanager
def running(fleet: Fleet, order: str = "wait") -> Iterator["subprocess.Popen[str]"]:
    """``erlnet repro`` with HIT in the middle of its work."""
    fleet.toy.control(*HIT.split(":"), order)
    process = fleet.start("repro")
    try:
        fleet.wait_started(HIT, process)
        wait_for(lambda: HIT in fleet.stage_processes())
        yield process
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def let_go(fleet: Fleet) -> None:
    fleet.toy.control(*HIT.split(":"), "")
