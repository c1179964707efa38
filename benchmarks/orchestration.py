"""What Prefect, DVC and the bridge add to a stage, with a server that stays: wall and processor time a stage.

    python -m benchmarks.orchestration [--subjects 6]

One subject after the other, stages of trivial work, in a temporary checkout; the same stages by ``dvc repro`` alone
beside it.  The server is on PostgreSQL where that is installed, else on SQLite.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.fleet import build
from benchmarks.machine import describe
from flows.environment import stage_environment
from flows.onboarding import Request, register
from flows.pipeline import STAGES
from flows.repro import repro


def server(stack: ExitStack, folder: Path) -> tuple[str, str]:
    """Start a server; returns its address and what its database is."""
    from flows.server.postgres import Postgres, free_port, program
    from flows.server.start import serving
    from tasks.errors import BadInput

    try:
        program("postgres")
    except BadInput:
        kind, url = "SQLite", f"sqlite+aiosqlite:///{folder}/prefect.db"
    else:
        database = Postgres(folder / "postgres", free_port())
        stack.callback(database.stop)
        database.start()
        kind, url = "PostgreSQL", database.url
    log = stack.enter_context((folder / "server.log").open("w"))
    return stack.enter_context(serving("127.0.0.1", free_port(), url, folder / "home", log)), kind


def cost(action: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds, and processor seconds of this process and the children that ended."""

    def used() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in both)

    wall, processor = time.perf_counter(), used()
    action()
    return time.perf_counter() - wall, used() - processor


def main(argv: list[str] | None = None) -> int:
    """Measure and print a markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--subjects", type=int, default=6)
    count = parser.parse_args(argv).subjects
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="erlnet-orchestration-")))
        folder.chmod(0o711)  # PostgreSQL of another user, where this runs as root
        root = folder / "checkout"
        root.mkdir()
        build(root)
        os.environ["ERLNET_ROOT"] = str(root)
        address, kind = server(stack, folder)
        stack.enter_context(temporary_settings({PREFECT_API_URL: address}))

        def flow(subject: str) -> None:
            state = repro([subject], limit=1, return_state=True)
            if not state.is_completed():
                raise RuntimeError(state.message)

        def dvc(subject: str) -> None:
            command = [sys.executable, "-m", "dvc", "repro", "--quiet", f"data/subjects/{subject}/dvc.yaml"]
            subprocess.run(command, cwd=root, env=stage_environment(), check=True)

        def work(subject: str) -> None:
            for stage in STAGES:
                command = [sys.executable, "-m", f"tasks.{stage}", "--subject", subject, "--profile", "demo"]
                subprocess.run(command, cwd=root, env=stage_environment(), check=True)

        ways = {"the stages alone": work, "`dvc repro` of the subject": dvc, "`erlnet repro` with the server": flow}
        spent = {name: [0.0, 0.0] for name in ways}
        for number in range(-1, count):  # the first of each is not counted: imports, connections
            for index, (name, way) in enumerate(ways.items()):
                subject = f"s{number + 1}-{index}"
                video = folder / f"{subject}.mp4"
                video.write_text(subject)
                register(root, Request(video, subject, "a benchmark", profile="demo"))
                wall, processor = cost(lambda way=way, subject=subject: way(subject))
                if number >= 0:
                    spent[name][0] += wall
                    spent[name][1] += processor
    stages = count * len(STAGES)
    print(f"{describe()}; load average at the end {os.getloadavg()[0]:.1f}; server on {kind}; {stages} stages each\n")
    print("| way | wall, s a stage | processor, s a stage | added to the work: wall | processor |")
    print("|---|---|---|---|---|")
    base = spent["the stages alone"]
    for name, (wall, processor) in spent.items():
        added = f"{(wall - base[0]) / stages:.2f} | {(processor - base[1]) / stages:.2f}"
        print(f"| {name} | {wall / stages:.2f} | {processor / stages:.2f} | {added} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
