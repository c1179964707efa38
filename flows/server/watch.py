"""For how long a Prefect server has not answered, and the end of a command that has waited for it long enough.

Prefect's client tries each of its calls for about a minute, and a flow that ends makes several: without this a command
whose server stays away hangs for minutes after its last stage.  The server that a command starts for itself is no
matter of this: its command starts it again.
"""

import contextlib
import http.client
import logging
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

POLL = 2.0  # seconds between two looks
ANSWER = 10.0  # seconds an answer may take: a busy server is not one that is gone
LEAST = 3  # looks in vain before a server counts as gone, however short the patience
FAILED = 1  # exit status

logger = logging.getLogger(__name__)
_current: "Watch | None" = None


class Watch:
    """Asks the server at ``address`` (of its API) whether it is there.  patience: seconds it may stay away."""

    def __init__(self, address: str, patience: float):
        self.address = address
        self.patience = patience
        self._silent_since: float | None = None
        self._in_vain = 0
        self._at_work = 0
        self._over = threading.Event()
        self._lock = threading.Lock()

    @property
    def gone(self) -> bool:
        """Whether it has been away for longer than anybody waits for it."""
        since = self._silent_since
        return since is not None and self._in_vain >= LEAST and time.monotonic() - since >= self.patience

    @property
    def silent(self) -> bool:
        """Whether it did not answer when it was asked last."""
        return self._silent_since is not None

    @property
    def complaint(self) -> str:
        """The one line about it."""
        return (
            f"the Prefect server at {self.address} has not answered for {self.patience:g} s: "
            "what is finished is kept; start the server, then run 'erlnet repro'"
        )

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """While the body runs the process is not ended: there are stages to see to their end, files to put in order."""
        with self._lock:
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1

    def start(self) -> None:
        """Begin to look, in a thread, until ``stop``."""
        threading.Thread(target=self._run, daemon=True, name="server watch").start()

    def stop(self) -> None:
        """Look no more; the process is not ended any more."""
        with self._lock:
            self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            asked = time.monotonic()
            if answers(self.address):
                self._silent_since, self._in_vain = None, 0
            else:
                self._in_vain += 1
                if self._silent_since is None:
                    self._silent_since = asked
                    logger.warning("the Prefect server at %s does not answer", self.address)
            if self.gone:
                self._end()
            self._over.wait(POLL)

    def _end(self) -> None:
        with self._lock:
            if self._at_work or self._over.is_set():
                return
            # What is left of this process is Prefect, trying to report to a server that is not there.
            print(f"erlnet: error: {self.complaint}", file=sys.stderr, flush=True)
            sys.stdout.flush()
            os._exit(FAILED)


def answers(address: str) -> bool:
    """Whether anything answers at ``address``, be it with a refusal."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=ANSWER):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, http.client.HTTPException):
        return False


@contextlib.contextmanager
def watching(patience: float) -> Iterator[Watch | None]:
    """Watch the server in use for the body; None where there is none but the command's own.

    Inside another body it is that one's.  In a process that a worker started for one flow the watch stays when the body
    ends, because Prefect then reports how it ended.
    """
    from prefect.settings import PREFECT_API_URL

    global _current
    address = PREFECT_API_URL.value()
    if _current is not None or not address:
        yield _current
        return
    _current = Watch(address, patience)
    _current.start()
    try:
        yield _current
    finally:
        if "PREFECT__FLOW_RUN_ID" not in os.environ:
            _current.stop()
            _current = None
