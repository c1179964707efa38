"""Slots of Prefect's global concurrency limits, for as long as a lease on them is renewed.

The server takes a slot back when its lease runs out, so a machine that dies blocks nobody for longer than LEASE.  Where
only the process died, or the server did not answer when it gave its leases back, the next one in the same checkout
hands them back at once: they are noted in files.  A server that was away for longer than LEASE has taken slots back
that are in use: they are taken anew at once.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.server.watch import Watch
from tasks.artifacts.atomic import write_text
from tasks.artifacts.run_record import identity
from tasks.errors import StageFailed

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

LEASE = 60.0  # seconds, the least that the server grants
RENEWAL = 15.0  # seconds between renewals: three may fail
AGAIN = 2.0  # seconds before a server that gave no answer is asked again
PATIENCE = 60.0  # seconds to ask again where no watch says how long
LOCKED = 423  # HTTP status: no slot is free
BUSY = (408, 429, 502, 503, 504)  # HTTP statuses: ask again
GONE = 410  # HTTP status: no such lease

logger = logging.getLogger(__name__)


def server_in_use() -> bool:
    """Whether flows talk to a server that others talk to as well, rather than to one of their own."""
    from prefect.settings import PREFECT_API_URL

    return bool(PREFECT_API_URL.value())


@dataclass
class _Held:
    """Slots in use.  lease: the one they are held by now."""

    name: str
    occupy: int
    lease: UUID


class Leases:
    """The slots this process holds.

    folder: where they are noted for whoever comes after a crash.  watch: tells a server that restarts from one that
    stays away; without one nobody waits for a server that does not answer.
    """

    def __init__(self, folder: Path, watch: Watch | None = None):
        self._folder = folder
        self._watch = watch
        self._lock = threading.Lock()
        self._held: dict[UUID, _Held] = {}  # by the lease that ``acquire`` gave
        self._client: SyncPrefectClient | None = None
        self._stop = threading.Event()
        self._renewer: threading.Thread | None = None

    def acquire(
        self, name: str, limit: int, occupy: int = 1, give_up: Callable[[], bool] = lambda: False
    ) -> UUID | None:
        """Take ``occupy`` slots of the global limit ``name`` if they are free, else return None.

        A limit that does not exist is made, with ``limit`` slots; one that does is left as the operator set it.
        A server that does not answer, or is too busy, is asked again until ``give_up`` or for as long as the watch is
        patient.  Raises StageFailed where that is over, or the server refuses.
        """
        from httpx import HTTPError, HTTPStatusError

        deadline = time.monotonic() + (self._watch.patience if self._watch else PATIENCE)
        while True:
            try:
                answer = self._ask(name, limit, occupy)
                break
            except HTTPStatusError as error:
                status = error.response.status_code
                if status == LOCKED:
                    return None
                why, final = f"the Prefect server refused a slot of {name}: {error}", status not in BUSY
            except HTTPError as error:
                cause = self._watch.complaint if self._watch else str(error) or type(error).__name__
                why, final = f"the Prefect server gave no slot of {name}: {cause}", False
            if give_up():
                return None
            if final or time.monotonic() > deadline:
                raise StageFailed(why)
            if self._stop.wait(AGAIN):
                return None
        lease = UUID(answer["lease_id"])
        self._note(lease)
        with self._lock:
            self._held[lease] = _Held(name, occupy, lease)
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew, name="leases", daemon=True)
                self._renewer.start()
        return lease

    def release(self, lease: UUID) -> None:
        """Give the slots back.

        Where the server does not answer they are free when the lease runs out, or when the next process of this
        checkout starts, whichever is first.
        """
        with self._lock:
            held = self._held.pop(lease, None)
        self._hand_back(held.lease if held else lease)

    def release_orphans(self) -> None:
        """Hand back what processes of this checkout held that are no more."""
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                note = json.loads(path.read_text(encoding="utf-8"))
                if identity(note["pid"]) != note["process"]:
                    self._hand_back(UUID(path.stem))

    def close(self) -> None:
        """Release everything and stop renewing."""
        self._stop.set()
        for lease in list(self._held):
            self.release(lease)
        if self._renewer is not None:
            self._renewer.join()
        if self._client is not None:
            self._client.__exit__(None, None, None)
            self._client = None

    def _note(self, lease: UUID) -> None:
        note = {"pid": os.getpid(), "process": identity(os.getpid())}  # no name: a removed subject leaves no trace
        write_text(self._folder / f"{lease}.json", json.dumps(note) + "\n")

    def _hand_back(self, lease: UUID) -> None:
        from httpx import HTTPError, HTTPStatusError

        try:
            with _tries(1 if self._watch and self._watch.silent else 6):
                self._connected().release_concurrency_slots_with_lease(lease)
        except HTTPStatusError as error:
            if error.response.status_code in BUSY:
                return  # still noted
        except HTTPError:
            return
        (self._folder / f"{lease}.json").unlink(missing_ok=True)

    def _ask(self, name: str, limit: int, occupy: int) -> dict[str, Any]:
        """One question for slots; the limit is made where there is none.  Raises HTTPError."""
        with _tries(1):
            for _ in range(10):
                answer = self._take(name, occupy)
                if answer["limits"]:
                    return answer
                self._create(name, limit)  # or another is making it just now
        raise StageFailed(f"the Prefect server does not make the limit {name}")

    def _take(self, name: str, occupy: int) -> dict[str, Any]:
        answer = self._connected().increment_concurrency_slots_with_lease(
            [name], occupy, mode="concurrency", lease_duration=LEASE
        )
        return dict(answer.json())

    def _create(self, name: str, limit: int) -> None:
        from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
        from prefect.exceptions import ObjectAlreadyExists

        with contextlib.suppress(ObjectAlreadyExists):
            self._connected().create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=limit))

    def _connected(self) -> "SyncPrefectClient":
        from prefect.client.orchestration import get_client

        with self._lock:
            if self._client is None:
                self._client = get_client(sync_client=True).__enter__()
            return self._client

    def _renew(self) -> None:
        pause = RENEWAL
        while not self._stop.wait(pause):
            with _tries(1):
                renewed = [self._renew_one(key, held) for key, held in list(self._held.items())]
            pause = RENEWAL if all(renewed) else AGAIN

    def _renew_one(self, key: UUID, held: _Held) -> bool:
        """Whether the slots are safe, or lost for good; else it is tried again soon."""
        from httpx import HTTPError, HTTPStatusError

        try:
            try:
                self._connected().renew_concurrency_lease(held.lease, LEASE)
            except HTTPStatusError as error:
                if error.response.status_code != GONE:
                    raise
                self._take_anew(key, held)
        except HTTPStatusError as error:
            if error.response.status_code != LOCKED:
                logger.warning("slot of %s could not be renewed yet: %s", held.name, error)
                return False
            with self._lock:
                self._held.pop(key, None)
            logger.warning(
                "the Prefect server gave a slot of %s to somebody else: it was not renewed in time", held.name
            )
        except HTTPError as error:
            logger.debug("slot of %s could not be renewed yet: %s", held.name, error or type(error).__name__)
            return False
        return True

    def _take_anew(self, key: UUID, held: _Held) -> None:
        """Take slots again that the server took back.  Raises HTTPError."""
        answer = self._take(held.name, held.occupy)
        if not answer["limits"]:  # somebody deleted the limit: there is nothing to hold any more
            return
        lease = UUID(answer["lease_id"])
        self._note(lease)
        (self._folder / f"{held.lease}.json").unlink(missing_ok=True)
        with self._lock:
            held.lease = lease
            released = key not in self._held
        if released:  # meanwhile
            self._hand_back(lease)


@contextlib.contextmanager
def _tries(count: int) -> Iterator[None]:
    """Prefect's client would try each call six times, for a minute; who calls here asks again, or need not."""
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: count - 1}):
        yield
