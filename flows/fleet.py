"""What a flow shares with other flows and other machines: slots, claims on subjects, artifacts and locks."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from flows.bridge.process import ProcessGroups
from flows.events import tell
from flows.limits.claims import Claims
from flows.limits.leases import Leases, server_in_use
from flows.limits.slots import Slots
from flows.onboarding import Request, register
from flows.remote.sharing import Sharing
from flows.server.watch import Watch, watching
from flows.settings import Settings, load_settings
from tasks.errors import TaskError

CLAIM_POLL = 1.0  # seconds between two tries to claim a subject that another flow works on

logger = logging.getLogger(__name__)


class Fleet:
    """The means of one flow run.  sharing: None where this checkout works alone.  watch: None without a common server.

    unsent: why something that was finished here could not be sent to the other machines.
    """

    def __init__(
        self, root: Path, settings: Settings, groups: ProcessGroups, slots: Slots, claims: Claims,
        sharing: Sharing | None, watch: Watch | None = None,
    ):  # fmt: skip
        self.root = root
        self.settings = settings
        self.groups = groups
        self.slots = slots
        self.claims = claims
        self.sharing = sharing
        self.watch = watch
        self.unsent: list[str] = []

    @property
    def server_gone(self) -> bool:
        """Whether the common server has been away for too long: what runs is finished, nothing more is begun."""
        return self.watch is not None and self.watch.gone

    def tell(self, kind: str, **facts: str) -> None:
        """Tell the operator's file and webhook of an event."""
        tell(self.settings, self.root, kind, **facts)

    def begin(self) -> None:
        """Before planning: take over what others sent, send what an earlier run could not.

        Raises StageFailed where nothing can be received.
        """
        if self.sharing is None:
            return
        self.sharing.receive()
        try:
            self.sharing.catch_up(self.claims)
        except TaskError as error:
            self.unsent.append(str(error))

    def register(self, request: Request) -> bool:
        """``onboarding.register``, exactly once in the fleet; returns whether the subject was new.

        Waits while another flow works on the subject.  Raises as ``register``.
        """
        with self._claimed(request.subject):
            if self.sharing is not None:
                self.sharing.receive()
            created = register(self.root, request)
            if created and self.sharing is not None:
                try:
                    self.sharing.publish(request.subject, f"{request.subject}: registered")
                except TaskError as error:  # it is registered here, and the next run sends it
                    logger.warning("%s", error)
        return created

    @contextlib.contextmanager
    def _claimed(self, unit: str) -> Iterator[None]:
        while (give_back := self.claims.claim(unit)) is None:
            time.sleep(CLAIM_POLL)
        try:
            yield
        finally:
            give_back()


@contextlib.contextmanager
def open_fleet(root: Path) -> Iterator[Fleet]:
    """The means of the checkout at ``root``, by its settings.  At the end no process and no claim is left."""
    settings = load_settings()
    # Importing Prefect costs a second, which a command that runs no flow and shares nothing does not spend.
    concerned = settings.share or settings.fleet_slots or "prefect" in sys.modules
    with (
        watching(settings.server_patience) if concerned else contextlib.nullcontext() as watch,
        watch.working() if watch else contextlib.nullcontext(),
    ):
        yield from _open(root, settings, watch)


def _open(root: Path, settings: Settings, watch: Watch | None) -> Iterator[Fleet]:
    folder = root / ".dvc" / "tmp" / "erlnet"
    groups = ProcessGroups()
    leases = None
    if (settings.share or settings.fleet_slots) and server_in_use():
        leases = Leases(folder / "leases", watch)
    slots = Slots(folder / "slots", settings.slots, settings.fleet_slots, leases)
    claims = Claims(folder / "claims", leases if settings.share else None)
    sharing = Sharing(root, settings, groups) if settings.share else None
    try:
        if leases is not None:
            leases.release_orphans()
        elif settings.share:
            logger.warning("no common Prefect server (PREFECT_API_URL): two machines must not work on one subject")
        yield Fleet(root, settings, groups, slots, claims, sharing, watch)
    finally:
        groups.end_all()
        if leases is not None:
            leases.close()
