"""A small fleet to do harm to: real processes, real DVC, real Prefect, stages that take no time.

The artifacts of the toy pipeline follow from the source alone, so what every file must hold is known without the code
under test; so is which stages really run, from the table of processes.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.flows.toy import PROJECT, Toy, build

ERLNET = [sys.executable, "-P", "-m", "flows.cli"]  # -P: not the modules of the checkout it works in
PATIENCE = 300.0  # seconds anything may take before it counts as never
STAGES = {"crop": "video.mp4", "track": "flame.parquet", "report": "report.html"}


@dataclass
class Ended:
    """How a command ended.  word: its last line."""

    status: int
    word: str
    seconds: float


class Fleet:
    """A toy checkout and the commands that a person gives in it, each a process of its own.

    server: address of a Prefect server; without one every command starts its own, as on a laptop.  later: what is to be
    done when it is over.
    """

    def __init__(self, toy: Toy, server: str | None = None, extra: dict[str, str] | None = None):
        self.toy = toy
        self.root = toy.root
        self.later = contextlib.ExitStack()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
        self.environment = {
            **kept,
            "ERLNET_ROOT": str(toy.root),
            "PYTHONPATH": str(PROJECT),
            "OMP_NUM_THREADS": "1",
            "DVC_SITE_CACHE_DIR": str(toy.root.parent / "dvc-site"),
            "PREFECT_HOME": str(toy.root.parent / "prefect"),
            **({"PREFECT_API_URL": server} if server else {}),
            **(extra or {}),
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """``erlnet ARGUMENTS`` in a session of its own."""
        return subprocess.Popen(
            [*ERLNET, *arguments], cwd=self.root, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def end(self, process: "subprocess.Popen[str]", started: float | None = None) -> Ended:
        """Wait for ``process``."""
        output, _ = process.communicate(timeout=PATIENCE)
        lines = [line for line in output.splitlines() if line.strip()] or [""]
        return Ended(process.returncode, lines[-1], 0.0 if started is None else time.monotonic() - started)

    def run(self, *arguments: str) -> Ended:
        """``erlnet ARGUMENTS``, from start to end."""
        started = time.monotonic()
        return self.end(self.start(*arguments), started)

    def status(self) -> dict[str, str]:
        """State by ``subject:stage``, as ``erlnet status`` says it."""
        result = subprocess.run(
            [*ERLNET, "status", "--json"], cwd=self.root, env=self.environment, capture_output=True, text=True,
            timeout=PATIENCE,
        )  # fmt: skip
        if result.returncode != 0:
            raise AssertionError(f"status ended with {result.returncode}: {result.stderr}")
        return {
            f"{subject['id']}:{name}": stage["state"]
            for subject in json.loads(result.stdout)["subjects"]
            for name, stage in subject["stages"].items()
        }

    def lies(self) -> list[str]:
        """Where ``erlnet status`` differs from what is on the disk and in the table of processes."""
        before = self.stage_processes().keys()
        states = self.status()
        running = self.stage_processes().keys()
        found = []
        for entry, state in states.items():
            if entry in before ^ running:
                continue  # it began or ended while status looked
            if entry in running:
                wrong = state != "running"
            elif self.is_done(entry):
                wrong = state != "done"
            else:
                wrong = state not in ("stale", "failed", "quarantined")
            if wrong:
                found.append(f"{entry} is said to be {state}")
        return found

    def cached(self, data: bytes) -> Path:
        """Where DVC's cache keeps a file of this content."""
        digest = md5(data)
        return self.root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]

    def stage_processes(self) -> dict[str, psutil.Process]:
        """The living process of every stage that runs, by ``subject:stage``."""
        found = {}
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                if len(words) > 4 and words[1] == "-m" and words[2].startswith("tasks.") and words[3] == "--subject":
                    found[f"{words[4]}:{words[2].removeprefix('tasks.')}"] = process
        return found

    def processes(self) -> list[psutil.Process]:
        """Living processes that work in this checkout, servers included, the caller aside."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.cwd() == str(self.root) and process.pid != os.getpid()
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def kill_all(self) -> None:
        """kill -9 of every process of the checkout, all stopped first so that none sees another's end."""
        victims = self.processes()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in victims:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(number)
        psutil.wait_procs(victims, timeout=10)

    def close(self) -> None:
        """Nothing is left, not even what a fault has started beside it."""
        self.kill_all()
        self.later.close()

    def expected(self, subject: str, stage: str) -> bytes:
        """What the artifact of a stage holds."""
        names = list(STAGES)
        made = names[: names.index(stage) + 1]
        return f"video of {subject}".encode() + "".join(made).encode()

    def artifact(self, entry: str) -> Path:
        subject, stage = entry.split(":")
        return self.toy.folder(subject) / STAGES[stage]

    def intact(self, entry: str) -> bool:
        """Whether the artifact is there and holds what it must."""
        path = self.artifact(entry)
        return path.is_file() and path.read_bytes() == self.expected(*entry.split(":"))

    def is_done(self, entry: str) -> bool:
        """Whether the artifact and all before it are intact and DVC's lock knows this very content."""
        subject, stage = entry.split(":")
        try:
            locked = yaml.safe_load((self.toy.folder(subject) / "dvc.lock").read_text())["stages"]
            known = {name: locked[name]["outs"][0]["md5"] for name in locked}
        except (OSError, yaml.YAMLError, KeyError, TypeError):
            return False
        before = list(STAGES)[: list(STAGES).index(stage) + 1]
        return all(
            self.intact(f"{subject}:{name}") and known.get(name) == md5(self.expected(subject, name)) for name in before
        )

    def wait_started(self, entry: str, process: "subprocess.Popen[str]") -> None:
        """Until the stage has begun; the command must not end before."""
        wait_for(lambda: entry in self.toy.started() or process.poll() is not None)
        if entry not in self.toy.started():
            raise AssertionError(f"the command ended before {entry} began: {process.communicate()[0]}")


def md5(data: bytes) -> str:
    """As DVC writes it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Until ``condition`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it never came")
        time.sleep(0.05)


@dataclass
class Server:
    """A Prefect server of its own, as a service would run it."""

    home: Path
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        """Start it, at the same address as before where it ran before."""
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
        environment = {
            **kept, "PREFECT_HOME": str(self.home), "PREFECT_UI_ENABLED": "0", "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }  # fmt: skip
        command = [
            sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app", "--host", "127.0.0.1",
            "--port", str(self.port), "--log-level", "error", "--lifespan", "on",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, env=environment, cwd=self.home.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._answers)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def prefect_server(home: Path) -> Iterator[Server]:
    """A running server, ended at the end."""
    server = Server(home)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def prepare(root: Path) -> None:
    """A checkout at ``root`` whose subject ``a`` has its first stage done and ``b`` everything."""
    root.mkdir(parents=True)
    build(root)
    toy = Toy(root)
    for subject in "ab":
        toy.onboard(subject)
    toy.dvc("repro", "head", "data/subjects/a/dvc.yaml:crop", "data/subjects/b/dvc.yaml:report")
    toy.forget()
