"""Processes that die: stage, flow, DVC, the server that a command starts for itself."""

import os
import shutil
import signal

import psutil

from tests.faults.fleet import Fleet
from tests.faults.suffering import HIT, Account, let_go, running, say


def kill_stage(fleet: Fleet, account: Account) -> None:
    with running(fleet) as process:
        account.lies += fleet.lies()
        fleet.stage_processes()[HIT].kill()
        account.happened = say(fleet.end(process))


def kill_flow(fleet: Fleet, account: Account) -> None:
    """The flow dies, its stage lives on as an orphan: the next command waits for it and does not run it again."""
    with running(fleet) as process:
        process.kill()
        process.wait()
        account.lies += fleet.lies()
        let_go(fleet)
    account.running = set()
    account.happened = "the stage goes on alone; the next command waits for it"


def kill_flow_and_stage(fleet: Fleet, account: Account) -> None:
    with running(fleet) as process:
        stage = fleet.stage_processes()[HIT]
        process.kill()
        os.killpg(os.getpgid(stage.pid), signal.SIGKILL)
        account.happened = "flow, DVC and stage gone"


def terminate_flow(fleet: Fleet, account: Account) -> None:
    """SIGTERM, which is what a worker sends for a cancel: the stage's group must end with the flow."""
    with running(fleet, "hang hard") as process:
        process.send_signal(signal.SIGTERM)
        account.happened = say(fleet.end(process))
    account.left += [f"process {process.pid}" for process in fleet.processes()]


def kill_dvc(fleet: Fleet, account: Account) -> None:
    fleet.toy.control(*HIT.split(":"), "kill dvc")
    account.happened = say(fleet.run("repro"))


def kill_server(fleet: Fleet, account: Account) -> None:
    """The server that ``erlnet`` started dies while a stage runs: the stage must not be ended for that."""
    with running(fleet) as process:
        (server,) = [one for one in psutil.Process(process.pid).children() if "uvicorn" in one.cmdline()]
        server.kill()
        account.lies += fleet.lies()
        let_go(fleet)
        account.happened = say(fleet.end(process))
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
    account.happened = f"first {say(fleet.end(first))}; second {say(fleet.end(second))}"
    account.running = set()
