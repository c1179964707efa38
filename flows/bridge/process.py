"""Child processes that leave nothing behind: each has a process group of its own, ended as a whole."""

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

GRACE = 5.0  # seconds a group is given after each signal before the next, harder one
PROGRESS_INTERVAL = 10.0  # seconds between two passed-on states of a progress bar


class TimedOut(Exception):
    """The process was ended because it ran longer than it may."""


class Ended(Exception):
    """The process was ended, or never started, because the whole run is being ended."""


class ProcessGroups:
    """Runs commands from any thread; ``end_all`` ends every one of them, with all they have started."""

    def __init__(self, grace: float = GRACE):
        self._grace = grace
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ending = False

    @property
    def ending(self) -> bool:
        """Whether ``end_all`` was called: nothing more will be started."""
        return self._ending

    def run(
        self,
        command: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        timeout: float | None = None,
    ) -> int:
        """Run ``command`` to its end and return its exit status; ``on_line`` gets its output as it comes.

        Raises TimedOut after ``timeout`` seconds and Ended after ``end_all``; in both cases, and on any other error, no
        process of the group is left.
        """
        with self._lock:
            if self._ending:
                raise Ended
            process = subprocess.Popen(
                list(command),
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,  # also a new process group, whose id is the process's
            )
            self._running.add(process)
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            for line in _lines(process, deadline):
                on_line(line)
            if process.poll() is None:  # _lines ends early only where the time is up
                raise TimedOut
            if self._ending:
                raise Ended
            return process.returncode
        finally:
            end_group(process, self._grace)
            with self._lock:
                self._running.discard(process)

    def end_all(self) -> None:
        """End everything that runs and refuse to start more.  Returns when all is gone."""
        with self._lock:
            self._ending = True
            running = list(self._running)
        threads = [threading.Thread(target=end_group, args=(process, self._grace)) for process in running]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def end_group(process: "subprocess.Popen[bytes]", grace: float) -> None:
    """Interrupt, then terminate, then kill what is left of the group of ``process``.

    The interrupt comes first because a Python stage then removes its temporary files and says so in its run record.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if not _group_lives(process):
            break
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + grace
        while _group_lives(process) and time.monotonic() < deadline:
            time.sleep(0.05)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=grace)


def _group_lives(process: "subprocess.Popen[bytes]") -> bool:
    """Whether any process of the group is left that is more than an entry waiting to be collected."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    for other in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(other.pid) == process.pid and other.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def _lines(process: "subprocess.Popen[bytes]", deadline: float | None) -> Iterator[str]:
    """Lines of the output until the process has ended or the deadline is past.

    A progress bar rewrites its line after a carriage return; of its states the first, one every PROGRESS_INTERVAL
    seconds and the last are passed on.
    """
    assert process.stdout is not None
    pending = b""
    held = ""
    shown_at = -PROGRESS_INTERVAL
    with selectors.DefaultSelector() as selector, process.stdout as stream:
        selector.register(stream, selectors.EVENT_READ)
        while deadline is None or time.monotonic() < deadline:
            # Woken at least every half second: a process that is gone may have left a child that holds the pipe.
            chunk = os.read(stream.fileno(), 65536) if selector.select(0.5) else None
            if chunk == b"" or (chunk is None and process.poll() is not None):
                break
            pending += chunk or b""
            while (cut := _first_break(pending)) is not None:
                raw, rewritten = pending[:cut], pending[cut : cut + 1] == b"\r" and pending[cut : cut + 2] != b"\r\n"
                pending = pending[cut + (2 if pending[cut : cut + 2] == b"\r\n" else 1) :]
                text = raw.decode("utf-8", errors="replace").rstrip()
                if not text:
                    continue
                held = ""
                if rewritten and time.monotonic() - shown_at < PROGRESS_INTERVAL:
                    held = text
                    continue
                if rewritten:
                    shown_at = time.monotonic()
                yield text
        rest = pending.decode("utf-8", errors="replace").strip() or held
        if rest:
            yield rest
    if deadline is None or time.monotonic() < deadline:
        # The pipe can close a moment before the process is gone.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))


def _first_break(data: bytes) -> int | None:
    """Position of the first line break; a carriage return at the very end may yet turn out to be half of one."""
    found = [position for position in (data.find(b"\n"), data.find(b"\r", 0, len(data) - 1)) if position >= 0]
    return min(found) if found else None
