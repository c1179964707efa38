"""This checkout's part in a fleet: what it takes from the others before it works, and gives them after.

Before the first stage of a subject: what others finished of it arrives through the shared branch, its artifacts from
DVC's remote.  After every stage: first its artifacts go to the remote, then its lock to the branch, so that a lock
never names what cannot be fetched.
"""

import logging
import sys
import threading
import time
from collections import deque
from pathlib import Path

from flows.bridge.graph import SHARED
from flows.bridge.locks import sort_locks
from flows.bridge.process import Ended, ProcessGroups, TimedOut
from flows.environment import stage_environment
from flows.limits.claims import Claims
from flows.remote.branch import Branch
from flows.settings import Settings
from tasks.artifacts.layout import SubjectFolder
from tasks.errors import StageFailed, TaskError

PAUSES = (2.0, 10.0)  # seconds before a transfer is tried again: a network comes back, a wrong address does not
TRANSFER_TIMEOUT = 6 * 3600.0  # seconds

logger = logging.getLogger(__name__)


class Sharing:
    """Sends and fetches for the checkout at ``root``; ``groups`` run the transfers, and end them."""

    def __init__(self, root: Path, settings: Settings, groups: ProcessGroups):
        self.root = root
        self.branch = Branch(root, settings.git_remote, settings.branch)
        self._url = settings.remote_url(root)
        self._groups = groups
        self._locks = threading.Lock()  # DVC's library does not protect threads from each other

    def receive(self) -> list[str]:
        """Take over the records and locks that others sent; returns the subjects that changed."""
        self._set_remote()
        return self.branch.receive()

    def fetch(self, unit: str) -> None:
        """Bring in what others computed of ``unit``.  Raises StageFailed where the remote cannot be reached."""
        self.receive()
        self._transfer("pull", unit)

    def publish(self, unit: str, message: str) -> None:
        """Send what is done of ``unit``.  Raises StageFailed where that does not work: ``catch_up`` does it later."""
        self._transfer("push", unit)
        if unit != SHARED:  # the lock of the shared stages belongs to the code and is committed with it
            with self._locks:
                sort_locks(self.root, [SubjectFolder.of(unit, self.root).pipeline])
            self.branch.send(unit, message)

    def catch_up(self, claims: Claims) -> None:
        """Send what an earlier run could not, or was killed before; not what another flow works on just now."""
        for subject in self.branch.unsent():
            give_back = claims.claim(subject)
            if give_back is None:
                continue
            try:
                if SubjectFolder.of(subject, self.root).record.exists():
                    self.publish(subject, f"{subject}: what was not sent before")
                else:
                    self.branch.send(subject, f"{subject}: removed")
            finally:
                give_back()

    def _transfer(self, action: str, unit: str) -> None:
        command = [sys.executable, "-m", "flows.remote.transfer", action]
        if unit != SHARED:
            command += ["--subject", unit]
        # The program is this project's, wherever the checkout with the data lies, and not what lies in the latter.
        own = {"ERLNET_ROOT": str(self.root), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        environment = stage_environment() | own | {"PYTHONSAFEPATH": "1"}
        for pause in (*PAUSES, None):
            output: deque[str] = deque(maxlen=20)
            try:
                status = self._groups.run(command, self.root, environment, output.append, TRANSFER_TIMEOUT)
            except TimedOut:
                status, output = 1, deque([f"it did not end within {TRANSFER_TIMEOUT:g} s"])
            if status == 0:
                return
            cause = next((line for line in reversed(output) if line.startswith("transfer: error: ")), None)
            cause = cause.removeprefix("transfer: error: ") if cause else (output or ["without a word"])[-1]
            if pause is None:
                break
            logger.warning("%s of %s failed, trying again: %s", action, unit or "the shared stages", cause)
            self._pause(pause)
        raise StageFailed(f"{action} of {unit or 'the shared stages'} with {self._url} failed: {cause}")

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._groups.ending:
                raise Ended
            time.sleep(0.1)

    def _set_remote(self) -> None:
        """Make the setting DVC's default remote on this machine, so that ``dvc pull`` by hand uses it too."""
        from configobj import ConfigObj  # DVC's own reader of its configuration

        path = self.root / ".dvc" / "config.local"
        config = ConfigObj(str(path) if path.exists() else None)
        section = 'remote "erlnet"'
        if config.get("core", {}).get("remote") == "erlnet" and config.get(section, {}).get("url") == self._url:
            return
        command = [sys.executable, "-m", "dvc", "remote", "add", "--local", "--default", "--force", "erlnet", self._url]
        output: deque[str] = deque(maxlen=5)
        if self._groups.run(command, self.root, stage_environment(), output.append, 120.0) != 0:
            raise TaskError(f"DVC does not take {self._url} as its remote: {(output or ['without a word'])[-1]}")
