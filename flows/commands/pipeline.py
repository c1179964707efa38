"""Commands that bring subjects through the stages: onboard, import, repro, status, plan, prior."""

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.launch import run_flow
from flows.commands.options import AsJson, Limit
from tasks.artifacts.layout import SubjectFolder, repository_root
from tasks.errors import BadInput, TaskError


def onboard(
    video: Annotated[Path, typer.Argument(help="video of one person who speaks to a static camera")],
    subject: Annotated[str, typer.Option(help="id: lower-case letters, digits, '-' and '_'")],
    consent: Annotated[str, typer.Option(help="why this person's likeness may be used; recorded with the subject")],
    style: Annotated[str, typer.Option(help="label of the speaking style")] = "neutral",
    profile: Annotated[str, typer.Option(help="demo, cpu or gpu")] = "cpu",
    force: Annotated[bool, typer.Option("--force", help="go on although checks fail; that is recorded")] = False,
    limit: Limit = 2,
) -> None:
    """Make a subject of VIDEO and run every stage."""
    from flows.bridge.planner import Target, make_plan
    from flows.fleet import open_fleet
    from flows.onboarding import Request
    from flows.pipeline import PipelineWriter
    from flows.tables import onboarding_table

    root = repository_root()
    started = time.time()
    # Before Prefect is started: bad input is refused at once, and where nothing is to do nothing is started.
    with open_fleet(root) as fleet:
        fleet.register(Request(video.resolve(), subject, consent, style, profile, force))
        fleet.begin()
    plan = make_plan(root, [Target(subject)])
    if plan.broken:
        raise TaskError("; ".join(plan.broken.values()))
    if plan.quarantined:
        raise BadInput(f"subject {subject!r} is quarantined: see {SubjectFolder.of(subject, root).record}")
    if plan.frozen:
        raise BadInput(f"subject {subject!r} is frozen: 'erlnet unfreeze {subject}' lets it run again")
    if plan.stages:
        from flows.onboard import onboard as flow

        run_flow(
            flow,
            {
                "video": video.resolve(),
                "subject": subject,
                "consent": consent,
                "style": style,
                "profile": profile,
                "force": force,
            },
            limit,
        )
    else:
        print(f"subject {subject} is up to date: nothing to run")
    folder = SubjectFolder.of(subject, root)
    print(onboarding_table(folder, PipelineWriter(root).stage_names, started))
    print(f"video:  {folder.render}")
    print(f"report: {folder.report}")


def status(as_json: AsJson = False) -> None:
    """One row a subject, one column a stage: done, stale, running, failed, quarantined."""
    from flows.bridge.graph import subject_ids
    from flows.status import subject_states
    from flows.tables import status_table

    root = repository_root()
    states = subject_states(root, subject_ids(root))
    if as_json:
        print(json.dumps({"subjects": [asdict(state) for state in states]}, indent=2))
    elif not states:
        print("no subject yet: make one with 'erlnet onboard VIDEO --subject ID --consent \"...\"'")
    else:
        print(status_table(states))


def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="ID or ID:STAGE; every subject by default")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the plan, run and change nothing")] = False,
    limit: Limit = 2,
) -> None:
    """Run stale stages, and only those, in parallel."""
    from flows.bridge.planner import make_plan, parse_targets
    from flows.fleet import open_fleet
    from flows.tables import plan_table

    root = repository_root()
    unsent: list[str] = []
    if not dry_run:
        with open_fleet(root) as fleet:
            fleet.begin()
            unsent = fleet.unsent
    plan = make_plan(root, parse_targets(root, targets) if targets else None, write=not dry_run)
    for subject in plan.quarantined:
        print(f"subject {subject} is quarantined and left out")
    for subject in plan.frozen:
        print(f"subject {subject} is frozen and left out")
    if dry_run:
        print(plan_table(plan))
    elif plan.stages:
        from flows.repro import repro as flow

        run_flow(flow, {"targets": targets or None}, limit)
        return
    else:
        print("everything is up to date: nothing to run")
    if plan.broken or unsent:
        raise TaskError("; ".join([f"subject {unit or 'shared'}: {why}" for unit, why in plan.broken.items()] + unsent))


def plan(
    targets: Annotated[list[str] | None, typer.Argument(help="ID or ID:STAGE; every subject by default")] = None,
    as_json: AsJson = False,
) -> None:
    """Which subjects are stale, and why: parameter, code file or input.  Runs and changes nothing."""
    from flows.bridge.planner import make_plan, parse_targets
    from flows.tables import upgrade_text
    from flows.upgrade import explain

    root = repository_root()
    found = explain(root, make_plan(root, parse_targets(root, targets) if targets else None, write=False))
    print(json.dumps(found.as_json(), indent=2) if as_json else upgrade_text(found))


def prior(
    processes: Annotated[int, typer.Option(min=1, max=4, help="that share the training; the result is the same")] = 1,
    limit: Limit = 2,
) -> None:
    """Learn a prior from the subjects that corpus_prior.subjects of params.yaml names."""
    from flows.corpus import chosen
    from flows.prior import prior as flow
    from tasks.artifacts.layout import PriorFolder

    root = repository_root()
    chosen(root)  # before Prefect is started: bad input is refused at once
    os.environ["ERLNET_PROCESSES"] = str(processes)
    run_flow(flow, {}, limit)
    print(PriorFolder.of(root).weights)


def import_set(
    folder: Annotated[Path, typer.Argument(help="folder of the set")],
    layout: Annotated[str, typer.Option(help="mead or hdtf")],
    consent: Annotated[str, typer.Option(help="why these likenesses may be used; recorded with every subject")],
    profile: Annotated[str, typer.Option(help="demo, cpu or gpu")] = "cpu",
) -> None:
    """Make subjects of a published set of clips, for a prior to be learned from."""
    from flows.fleet import open_fleet
    from flows.importing import import_set as work
    from tasks.datasets.layouts import LAYOUTS

    if layout not in LAYOUTS:
        raise BadInput(f"--layout {layout}: choose one of {', '.join(LAYOUTS)}")
    with open_fleet(repository_root()) as fleet:
        done = work(
            fleet, LAYOUTS[layout], folder.resolve(), consent, profile, lambda line: print(line, file=sys.stderr)
        )
    print(
        f"{len(done.new)} subjects are new, {len(done.there)} were there, {len(done.quarantined)} are quarantined, "
        f"{len(done.left_out)} clips or folders were left out"
    )
    if not (done.new or done.there):
        raise BadInput("no subject could be made of this folder: see above")
