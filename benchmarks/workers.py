"""Four worker processes against one: onboardings whose longest stage sleeps, over a server on PostgreSQL.

    python -m benchmarks workers [--subjects 8] [--sleep 120] [--workers 1 4]

Each worker takes one flow at a time, in a clone of its own, with a remote and a git origin between them, as on several
machines.  Measured is the time from the moment the runs are asked for, with the workers waiting, until all are
completed.  The stages sleep, so a machine that is busy otherwise changes little; what Prefect, DVC and git do to a
flow is contained, and is the work of one machine here, of several in a fleet.
"""

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.machine import describe
from tests.faults.servers import made_server
from tests.flows.machines import give_flows, make_clones, wait_for, worker
from tests.flows.toy import Toy, build

HOUR = 3600.0


def onboard_all(client: SyncPrefectClient, videos: dict[str, Path]) -> float:
    """Ask for a run of every video at once; seconds until all are completed."""
    deployment = client.read_deployment_by_name("onboard/onboard").id
    started = time.monotonic()
    runs = []
    for subject, video in videos.items():
        parameters = {"video": str(video), "subject": subject, "consent": "a benchmark", "profile": "demo"}
        runs.append(client.create_flow_run_from_deployment(deployment, parameters=parameters).id)
    for run in runs:
        wait_for(lambda run=run: (state := client.read_flow_run(run).state) and state.is_final(), HOUR)
        state = client.read_flow_run(run).state
        if state is None or not state.is_completed():
            raise RuntimeError(f"a run did not complete: {state and state.message}")
    return time.monotonic() - started


def measure(
    client: SyncPrefectClient, address: str, clones: list[Toy], folder: Path, options: argparse.Namespace
) -> float:
    """Seconds for ``options.subjects`` new subjects with a worker in each of ``clones``."""
    videos = {}
    for number in range(options.subjects):
        subject = f"with{len(clones)}-{number}"
        videos[subject] = folder / f"{subject}.mp4"
        videos[subject].write_text(f"video of {subject}")
        for toy in clones:
            toy.control(subject, "track", f"sleep {options.sleep}")
    settings = {"ERLNET_SHARE": "true", "ERLNET_REMOTE": str(folder / "remote")}
    with ExitStack() as stack:
        for toy in clones:
            log = folder / f"{toy.root.name}-worker.log"
            log.write_text("")
            stack.enter_context(worker(toy, address, limit=1, **settings))
            wait_for(lambda log=log: "started!" in log.read_text())
        seconds = onboard_all(client, videos)
    started = [entry for toy in clones for entry in toy.started() if entry.startswith(f"with{len(clones)}-")]
    if sorted(started) != sorted(f"{subject}:{stage}" for subject in videos for stage in ("crop", "track", "report")):
        raise RuntimeError(f"not every stage ran once: {sorted(started)}")
    return seconds


def main(argv: list[str] | None = None) -> int:
    """Measure and print a markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--subjects", type=int, default=8)
    parser.add_argument("--sleep", type=float, default=120.0, help="seconds the longest stage of a subject sleeps")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    options = parser.parse_args(argv)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="erlnet-workers-")))
        template = folder / "toy"
        template.mkdir()
        build(template)
        clones = make_clones(template, folder, [f"machine{number}" for number in range(max(options.workers))])
        for toy in clones:
            give_flows(toy)
        server = stack.enter_context(made_server())
        stack.enter_context(temporary_settings({PREFECT_API_URL: server.api}))
        client = stack.enter_context(get_client(sync_client=True))
        seconds = {count: measure(client, server.api, clones[:count], folder, options) for count in options.workers}
    print(f"{describe()}; load average at the end {os.getloadavg()[0]:.1f}\n")
    print(
        f"| worker processes | {options.subjects} subjects, one stage of {options.sleep:g} s: seconds | times as fast |"
    )
    print("|---|---|---|")
    for count, took in seconds.items():
        print(f"| {count} | {took:.0f} | {seconds[options.workers[0]] / took:.2f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
