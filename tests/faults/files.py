"""Files that are torn, damaged or gone, and disks that take nothing more."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.fleet import Fleet
from tests.faults.suffering import HIT, Account, CannotInject, let_go, running, say


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
    with running(fleet):
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
    with running(fleet):
        fleet.kill_all()
    path = fleet.root / ".dvc" / "tmp" / "rwlock"
    locks = json.loads(path.read_text())
    for info in [*locks["write"].values(), *(info for infos in locks["read"].values() for info in infos)]:
        info["pid"] = 1
    path.write_text(json.dumps(locks))
    account.happened = "locks of a dead DVC bear the number of a living process"


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
        with running(fleet) as process:
            ballast = fleet.root / "out" / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            let_go(fleet)
            account.happened = say(fleet.end(process))
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
        account.happened = say(fleet.run("repro"))
        account.lies += fleet.lies()
    account.running = {HIT}
