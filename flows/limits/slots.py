"""Slots a stage takes while it runs: of its machine, and of the whole fleet where the operator has set that.

A machine's slots are lock files in the checkout, common to all flows of it and free again when their holder dies.  The
fleet's are Prefect's global concurrency limits ``erlnet-RESOURCE``.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from flows.limits.files import FileLock
from flows.limits.leases import Leases

POLL = 0.2  # seconds between two looks at lock files
SERVER_POLL = 1.0  # seconds between two questions to the server


class Slots:
    """machine: slots of this machine by resource.  fleet: slots of the whole fleet; needs ``leases``."""

    def __init__(
        self,
        folder: Path,
        machine: Mapping[str, int],
        fleet: Mapping[str, int] | None = None,
        leases: Leases | None = None,
    ):
        self._folder = folder
        self._machine = machine
        self._fleet = fleet if fleet and leases else {}
        self._leases = leases

    @contextlib.contextmanager
    def take(self, needs: Mapping[str, int], give_up: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Wait until what ``needs`` says is free and hold it for the body; yields False where ``give_up`` came first.

        A need larger than all there is takes all there is: a stage that could use a GPU runs without one where there is
        none.  Resources are taken in one order, and whoever waits for several slots of one keeps later ones back, so
        that nobody waits for ever.
        """
        with contextlib.ExitStack() as held:
            ready = True
            for resource in sorted(needs, reverse=True):  # gpu before cpu: no processor is kept waiting for a card
                ready = ready and self._take_fleet(held, resource, needs[resource], give_up)
                ready = ready and self._take_machine(held, resource, needs[resource], give_up)
            yield ready

    def _take_machine(self, held: contextlib.ExitStack, resource: str, count: int, give_up: Callable[[], bool]) -> bool:
        total = self._machine.get(resource, 0)
        missing = min(count, total)
        if not missing:
            return True
        turnstile = FileLock(self._folder / f"{resource}.turn")
        try:
            if not _wait(turnstile.acquire, POLL, give_up):
                return False
            for _ in range(missing):

                def one() -> bool:
                    for index in range(total):
                        slot = FileLock(self._folder / f"{resource}.{index}")
                        if slot.acquire():
                            held.callback(slot.release)
                            return True
                    return False

                if not _wait(one, POLL, give_up):
                    return False
            return True
        finally:
            turnstile.release()

    def _take_fleet(self, held: contextlib.ExitStack, resource: str, count: int, give_up: Callable[[], bool]) -> bool:
        total = self._fleet.get(resource, 0)
        occupy = min(count, total)
        if not occupy or self._leases is None:
            return True
        leases = self._leases

        def take() -> bool:
            lease = leases.acquire(f"erlnet-{resource}", total, occupy, give_up)
            if lease is not None:
                held.callback(leases.release, lease)
            return lease is not None

        return _wait(take, SERVER_POLL, give_up)


def _wait(attempt: Callable[[], bool], poll: float, give_up: Callable[[], bool]) -> bool:
    while not give_up():
        if attempt():
            return True
        time.sleep(poll)
    return False
