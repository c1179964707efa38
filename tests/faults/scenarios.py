"""The faults: what each does to a fleet whose subject ``a`` has one stage left to finish, and ``b`` none.

A scenario does its harm and leaves the machine well again: the disk has room, the remote answers.  What it finds out is
an ``Account``; ``suffer`` then gives the one command that must mend everything, and judges.
"""

import contextlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.faults.fleet import STAGES, Ended, Fleet, md5, wait_for
from tests.faults.relay import Relay

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
    """inject: does the harm and fills in the account.  embedded: with the server that ``erlnet`` starts for itself.

    slow: not one of those that every run of the tests has time for.
    """

    name: str
    inject: Callable[[Fleet, Account], None]
    embedded: bool = False
    slow: bool = True


def suffer(fleet: Fleet, scenario: Scenario) -> Account:
    """Inject the fault, look, give ``erlnet repro`` once, look again."""
    finished = [entry for entry in _entries() if fleet.is_done(entry)]
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
    account.left = [entry for entry in _entries() if not fleet.is_done(entry)]
    account.left += [f"process {process.pid}" for process in fleet.processes()]
    account.left += [str(path.relative_to(fleet.root)) for path in fleet.root.glob("data/subjects/*/*.tmp-*")]
    for check in account.checks:
        account.left += check()
    starts = Counter(fleet.toy.started())
    account.repeated = {
        entry: count - (entry not in finished) for entry, count in starts.items() if count > (entry not in finished)
    }
    return account


def _entries() -> list[str]:
    return [f"{subject}:{stage}" for subject in "ab" for stage in STAGES]


def _in_cache(fleet: Fleet, entry: str) -> bool:
    """Whether DVC's cache holds the artifact, whole."""
    data = fleet.expected(*entry.split(":"))
    path = fleet.cached(data)
    return path.is_file() and path.read_bytes() == data


def _say(ended: Ended) -> str:
    word = re.sub(r"^[\d:.]+ \| (INFO|ERROR) +\| Flow run '[^']*' - ", "", ended.word)
    return f"exit {ended.status}: {word}"


@contextlib.contextmanager
def _running(fleet: Fleet, order: str = "wait") -> Iterator["subprocess.Popen[str]"]:
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


def _let_go(fleet: Fleet) -> None:
    fleet.toy.control(*HIT.split(":"), "")


# --- processes ---


def kill_stage(fleet: Fleet, account: Account) -> None:
    with _running(fleet) as process:
        account.lies += fleet.lies()
        fleet.stage_processes()[HIT].kill()
        account.happened = _say(fleet.end(process))


def kill_flow(fleet: Fleet, account: Account) -> None:
    """The flow dies, its stage lives on as an orphan: the next command waits for it and does not run it again."""
    with _running(fleet) as process:
        process.kill()
        process.wait()
        account.lies += fleet.lies()
        _let_go(fleet)
    account.running = set()
    account.happened = "the stage goes on alone; the next command waits for it"


def kill_flow_and_stage(fleet: Fleet, account: Account) -> None:
    with _running(fleet) as process:
        stage = fleet.stage_processes()[HIT]
        process.kill()
        os.killpg(os.getpgid(stage.pid), signal.SIGKILL)
        account.happened = "flow, DVC and stage gone"


def terminate_flow(fleet: Fleet, account: Account) -> None:
    """SIGTERM, which is what a worker sends for a cancel: the stage's group must end with the flow."""
    with _running(fleet, "hang hard") as process:
        process.send_signal(signal.SIGTERM)
        account.happened = _say(fleet.end(process))
    account.left += [f"process {process.pid}" for process in fleet.processes()]


def kill_dvc(fleet: Fleet, account: Account) -> None:
    fleet.toy.control(*HIT.split(":"), "kill dvc")
    account.happened = _say(fleet.run("repro"))


def kill_server(fleet: Fleet, account: Account) -> None:
    """The server that ``erlnet`` started dies while a stage runs: the stage must not be ended for that."""
    with _running(fleet) as process:
        (server,) = [one for one in psutil.Process(process.pid).children() if "uvicorn" in one.cmdline()]
        server.kill()
        account.lies += fleet.lies()
        _let_go(fleet)
        account.happened = _say(fleet.end(process))
    account.running = set()


def cut_registration(fleet: Fleet, account: Account) -> None:
    """Killed after the folder had its name and before DVC had taken the video in; so no stage has run."""
    folder = fleet.toy.folder("a")
    for name in ("dvc.lock", "video.mp4"):
        (folder / name).unlink()
    shutil.rmtree(folder / "runs")
    link = folder / "source.video.dvc"
    link.write_text("outs:\n- path: source.video\n  hash: md5\n")
    account.running = set()
    account.happened = "the subject is there, DVC does not know its video"


def two_flows(fleet: Fleet, account: Account) -> None:
    fleet.toy.control(*HIT.split(":"), "sleep 2")
    first, second = fleet.start("repro"), fleet.start("repro")
    account.happened = f"first {_say(fleet.end(first))}; second {_say(fleet.end(second))}"
    account.running = set()


# --- files ---


def torn_lock(fleet: Fleet, account: Account) -> None:
    """DVC writes its lock in place: killed there, it leaves half of one."""
    lock = fleet.toy.folder("a") / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text[: text.index("outs:") + 12])
    account.happened = "dvc.lock of a subject ends in the middle"
    account.running = set()


def damaged_cache(fleet: Fleet, account: Account) -> None:
    """An object of DVC's cache has other bytes, and the file that came from it is gone."""
    path = fleet.cached(fleet.expected("b", "track"))
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(bytes(reversed(path.read_bytes())))
    path.chmod(mode)
    fleet.artifact("b:track").unlink()
    account.running = {"b:track"}
    account.happened = "the file is gone and the cache's copy is damaged"


def power_cut(fleet: Fleet, account: Account) -> None:
    """Everything dies at once, and what was written last is torn."""
    with _running(fleet):
        fleet.kill_all()
    folder = fleet.toy.folder("a")
    lock = folder / "dvc.lock"
    lock.write_text(lock.read_text()[:200])
    (folder / "runs" / "track.json").write_text('{"stage": "tr')
    (fleet.root / ".dvc" / "tmp" / "rwlock").write_text('{"write": {"/x": {"pi')
    (fleet.root / ".dvc" / "tmp" / "erlnet").mkdir(parents=True, exist_ok=True)
    (fleet.root / ".dvc" / "tmp" / "erlnet" / "up_to_date.json").write_text("{")
    (folder / "dvc.yaml").write_text((folder / "dvc.yaml").read_text()[:100])
    (folder / "flame.tmp-89abcdef.parquet").write_bytes(b"half")
    with contextlib.suppress(FileNotFoundError):
        os.truncate(folder / "video.mp4", 3)
    account.happened = "all killed; lock, pipeline file, run record, an artifact and DVC's own files torn"


def stranger_with_the_pid(fleet: Fleet, account: Account) -> None:
    """After a restart another program has the number of the DVC process that died: its locks must not bind."""
    with _running(fleet):
        fleet.kill_all()
    path = fleet.root / ".dvc" / "tmp" / "rwlock"
    locks = json.loads(path.read_text())
    for info in [*locks["write"].values(), *(info for infos in locks["read"].values() for info in infos)]:
        info["pid"] = 1
    path.write_text(json.dumps(locks))
    account.happened = "locks of a dead DVC bear the number of a living process"


# --- disk ---


@contextlib.contextmanager
def _mount(*arguments: str, at: Path) -> Iterator[None]:
    result = subprocess.run(["mount", *arguments, str(at)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise CannotInject(f"mounting is not allowed here ({result.stderr.strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def full_disk(fleet: Fleet, account: Account) -> None:
    """The checkout lies on a disk of 8 MB, which something else fills while a stage works."""
    away = fleet.root.with_name("away")
    shutil.copytree(fleet.root, away, symlinks=True)
    with _mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", at=fleet.root):
        shutil.copytree(away, fleet.root, symlinks=True, dirs_exist_ok=True)
        with _running(fleet) as process:
            ballast = fleet.root / "out" / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            _let_go(fleet)
            account.happened = _say(fleet.end(process))
            account.lies += fleet.lies()
            ballast.unlink()
        shutil.rmtree(away)
        shutil.copytree(fleet.root, away, symlinks=True)
    shutil.rmtree(fleet.root)
    shutil.move(away, fleet.root)


def read_only(fleet: Fleet, account: Account) -> None:
    """The subject's folder cannot be written for a while."""
    folder = fleet.toy.folder("a")
    with _mount("--bind", str(folder), at=folder):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        account.happened = _say(fleet.run("repro"))
        account.lies += fleet.lies()
    account.running = {HIT}


# --- network ---


def cut_push(fleet: Fleet, account: Account) -> None:
    """The S3 remote breaks off in the middle of a push, and is there again for the next command."""
    try:
        from moto.server import ThreadedMotoServer
    except ImportError:
        raise CannotInject("moto[server] is not installed: no S3 server") from None
    import boto3

    origin = fleet.root.parent / "origin.git"
    fleet.environment |= {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in {"NAME": "test", "EMAIL": "test@localhost"}.items()
    }
    for command in (
        ["git", "init", "--quiet", "--bare", str(origin)],
        ["git", "remote", "add", "origin", str(origin)],
        ["git", "add", "--all"],
        ["git", "commit", "--quiet", "--message", "a fleet"],
        ["git", "push", "--quiet", "origin", "HEAD:main"],
    ):
        subprocess.run(command, cwd=fleet.root, env=fleet.environment, check=True, capture_output=True)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    relay = Relay(port)
    access = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    bucket = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **access)
    bucket.create_bucket(Bucket="erlnet")
    fleet.environment |= {name.upper(): value for name, value in access.items() if name != "region_name"}
    fleet.environment |= {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{relay.port}",
        "NO_PROXY": "127.0.0.1",
        "ERLNET_SHARE": "true",
        "ERLNET_REMOTE": "s3://erlnet/fleet",
    }

    def sent() -> set[str]:
        listed = bucket.list_objects_v2(Bucket="erlnet").get("Contents", [])
        return {"".join(item["Key"].split("/")[-2:]) for item in listed}

    with _running(fleet) as process:
        relay.cut_after(600)
        _let_go(fleet)
        account.happened = _say(fleet.end(process))
    if not relay.down:
        raise AssertionError("nothing was pushed while the network was to be cut")
    account.lies += fleet.lies()
    relay.mend()
    account.running = set()

    def check() -> list[str]:
        # Of the subject that was worked on while the fleet shared; the other was done before.
        lacking = [
            entry
            for entry in _entries()
            if entry.startswith("a:") and md5(fleet.expected(*entry.split(":"))) not in sent()
        ]
        relay.close()
        server.stop()
        return [f"{entry} is not on the remote" for entry in lacking]

    account.checks.append(check)


# --- time ---

CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/time.h>
static long offset(void) {
    const char *path = getenv("CLOCK_OFFSET_FILE");
    long value = 0;
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file) { if (fscanf(file, "%ld", &value) != 1) value = 0; fclose(file); }
    return value;
}
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, at);
    if (!result && id == CLOCK_REALTIME) at->tv_sec += offset();
    return result;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec; at->tv_usec = now.tv_nsec / 1000;
    return result;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


def clock_jump(fleet: Fleet, account: Account) -> None:
    """The wall clock leaps two days ahead while a stage runs, then three days back before the next command."""
    library, offset = _clock_library(fleet)
    fleet.environment |= {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(offset)}
    with _running(fleet) as process:
        offset.write_text(str(2 * 86400))
        account.lies += fleet.lies()
        fleet.stage_processes()[HIT].kill()
        account.happened = _say(fleet.end(process))
        account.lies += fleet.lies()
    offset.write_text(str(-86400))


def _clock_library(fleet: Fleet) -> tuple[Path, Path]:
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotInject("there is no C compiler to build the false clock with")
    folder = fleet.root.parent / "clock"
    folder.mkdir()
    (folder / "clock.c").write_text(CLOCK)
    (folder / "offset").write_text("0")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(folder / "clock.so"), str(folder / "clock.c"), "-ldl"]
    subprocess.run(command, check=True)
    return folder / "clock.so", folder / "offset"


SCENARIOS = [
    Scenario("kill -9 of a stage", kill_stage),
    Scenario("kill -9 of the flow", kill_flow),
    Scenario("kill -9 of flow, DVC and stage", kill_flow_and_stage),
    Scenario("cancel (SIGTERM) of the flow", terminate_flow),
    Scenario("kill -9 of DVC between work and lock", kill_dvc, slow=False),
    Scenario("DVC's lock file torn", torn_lock, slow=False),
    Scenario("kill -9 of the server in a flow", kill_server, embedded=True),
    Scenario("registration cut short", cut_registration),
    Scenario("two flows on one subject", two_flows),
    Scenario("damaged cache object", damaged_cache, slow=False),
    Scenario("full disk", full_disk, slow=False),
    Scenario("read-only folder", read_only),
    Scenario("remote gone in the middle of a push", cut_push),
    Scenario("clock jumps", clock_jump),
    Scenario("restart: a stranger has DVC's process number", stranger_with_the_pid),
    Scenario("power cut", power_cut, embedded=True, slow=False),
]
