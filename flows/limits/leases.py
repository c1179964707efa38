"""Slots of Prefect's global concurrency limits, for as long as a lease on them is renewed.

The server takes a slot back when its lease runs out, so a machine that dies blocks nobody for longer than LEASE.  Where
only the process died, the next one in the same checkout hands its leases back at once: they are noted in files.
"""

import contextlib
import json
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tasks.artifacts.atomic import write_text
from tasks.artifacts.run_record import identity
from tasks.errors import StageFailed

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

LEASE = 60.0  # seconds, the least that the server grants
RENEWAL = 15.0  # seconds between renewals: three may fail
LOCKED = 423  # HTTP status: no slot is free
GONE = 410  # HTTP status: no such lease

logger = logging.getLogger(__name__)


def server_in_use() -> bool:
    """Whether flows talk to a server that others talk to as well, rather than to one of their own."""
    from prefect.settings import PREFECT_API_URL

    return bool(PREFECT_API_URL.value())


class Leases:
    """The slots this process holds.  folder: where they are noted for whoever comes after a crash."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._lock = threading.Lock()
        self._held: set[UUID] = set()
        self._client: SyncPrefectClient | None = None
        self._stop = threading.Event()
        self._renewer: threading.Thread | None = None

    def acquire(self, name: str, limit: int, occupy: int = 1) -> UUID | None:
        """Take ``occupy`` slots of the global limit ``name`` if they are free, else return None.

        A limit that does not exist is made, with ``limit`` slots; one that does is left as the operator set it.
        Raises StageFailed where the server does not answer.
        """
        from httpx import HTTPError, HTTPStatusError

        try:
            answer = self._take(name, occupy)
            if not answer["limits"]:  # no such limit
                self._create(name, limit)
                answer = self._take(name, occupy)
        except HTTPStatusError as error:
            if error.response.status_code == LOCKED:
                return None
            raise StageFailed(f"the Prefect server refused a slot of {name}: {error}") from None
        except HTTPError as error:
            raise StageFailed(f"the Prefect server gave no slot of {name}: {error or type(error).__name__}") from None
        lease = UUID(answer["lease_id"])
        note = {"pid": os.getpid(), "process": identity(os.getpid())}  # no name: a removed subject leaves no trace
        write_text(self._folder / f"{lease}.json", json.dumps(note) + "\n")
        with self._lock:
            self._held.add(lease)
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew, name="leases", daemon=True)
                self._renewer.start()
        return lease

    def release(self, lease: UUID) -> None:
        """Give the slots back.  Where the server does not answer they are free when the lease runs out."""
        from httpx import HTTPError

        with self._lock:
            self._held.discard(lease)
        with contextlib.suppress(HTTPError):
            self._connected().release_concurrency_slots_with_lease(lease)
        (self._folder / f"{lease}.json").unlink(missing_ok=True)

    def release_orphans(self) -> None:
        """Hand back what processes of this checkout held that are no more."""
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                note = json.loads(path.read_text(encoding="utf-8"))
                if identity(note["pid"]) != note["process"]:
                    self.release(UUID(path.stem))

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
        from httpx import HTTPError, HTTPStatusError

        while not self._stop.wait(RENEWAL):
            for lease in list(self._held):
                try:
                    self._connected().renew_concurrency_lease(lease, LEASE)
                except HTTPStatusError as error:
                    if error.response.status_code == GONE and lease in self._held:
                        logger.warning("the Prefect server took slot %s back: it was not renewed in time", lease)
                        self._held.discard(lease)
                except HTTPError as error:
                    logger.warning("slot %s could not be renewed yet: %s", lease, error or type(error).__name__)
