"""A PostgreSQL of our own, in a folder, on the loopback: what ``make server`` keeps Prefect's data in.

PostgreSQL refuses to run as root; started by root it runs as the user ``postgres`` (or ``nobody``), who must be able to
reach the folder.  An operator who has a PostgreSQL already names it in PREFECT_SERVER_DATABASE_CONNECTION_URL, and none
of this is used.
"""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.errors import BadInput, StageFailed

USER = "erlnet"
DATABASE = "postgres"  # the one that initdb makes
OTHER_USERS = ("postgres", "nobody")  # whom root becomes
DEBIAN = Path("/usr/lib/postgresql")  # Debian keeps the server's programs out of the PATH
TIMEOUT = 120.0  # seconds for each of initdb, start and stop


@dataclass(frozen=True)
class Postgres:
    """A data folder and the port it is served on."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """What Prefect's PREFECT_SERVER_DATABASE_CONNECTION_URL wants, password included."""
        password = _password_file(self.folder).read_text(encoding="utf-8").strip()
        return f"postgresql+asyncpg://{USER}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Make the data folder where there is none, and start.  Raises BadInput or StageFailed with one line."""
        data = self.folder / "data"
        if not (data / "PG_VERSION").exists():
            self._initialise(data)
        if self.running():
            return
        # Only the loopback listens, and the socket lies in the folder: nothing outside this machine reaches it.
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories='{self.folder}'"
        self._run("pg_ctl", "start", "-w", "-D", data, "-l", self.folder / "log.txt", "-o", options)

    def stop(self) -> None:
        """Stop it in good order; does nothing where it does not run."""
        if self.running():
            self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", self.folder / "data")

    def running(self) -> bool:
        """Whether a server runs on the data folder."""
        command = [program("pg_ctl"), "status", "-D", str(self.folder / "data")]
        return subprocess.run(command, capture_output=True, check=False, **_identity()).returncode == 0

    def _initialise(self, data: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        password = _password_file(self.folder)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
        for path in (self.folder, password):
            _hand_over(path)
        self._run(
            "initdb", "--pgdata", data, "--username", USER, "--pwfile", password, "--auth", "scram-sha-256",
            "--encoding", "UTF8", "--no-locale",
        )  # fmt: skip

    def _run(self, name: str, *arguments: str | Path) -> None:
        command = [program(name), *map(str, arguments)]
        # To a file, not a pipe: the server that pg_ctl starts would hold a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output:
            try:
                status = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False, timeout=TIMEOUT,
                    cwd="/", **_identity(),
                ).returncode  # fmt: skip
            except subprocess.TimeoutExpired:
                raise StageFailed(f"{name} did not end within {TIMEOUT:g} s: see {self.folder / 'log.txt'}") from None
            output.seek(0)
            lines: Sequence[str] = [line for line in output.read().splitlines() if line.strip()]
        if status != 0:
            last = next((line for line in lines if "error" in line.lower() or "FATAL" in line), (*lines, "no word")[0])
            raise StageFailed(f"{name} failed: {last} (its log: {self.folder / 'log.txt'})")


def program(name: str) -> str:
    """Path of one of PostgreSQL's programs.  Raises BadInput that says what to install."""
    found = shutil.which(name)
    if found:
        return found
    versions = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]), reverse=True)
    if versions:
        return str(versions[0])
    raise BadInput(
        f"{name} is not here: install PostgreSQL (Debian: apt install postgresql), or name a database in "
        "PREFECT_SERVER_DATABASE_CONNECTION_URL"
    )


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _password_file(folder: Path) -> Path:
    return folder / "password.txt"


def _other_user() -> "pwd.struct_passwd | None":
    if os.geteuid() != 0:
        return None
    for name in OTHER_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise BadInput("PostgreSQL does not run as root, and there is no user postgres: start this as another user")


def _identity() -> dict[str, Any]:
    user = _other_user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _hand_over(path: Path) -> None:
    user = _other_user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)
