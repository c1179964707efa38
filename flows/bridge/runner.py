"""Runs a plan: one Prefect task a stage, each a ``dvc repro --single-item`` in a process group of its own."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed, State
from prefect.task_runners import ThreadPoolTaskRunner

from flows.bridge.failure import title
from flows.bridge.graph import PRIOR, SHARED, Stage
from flows.bridge.locks import sort_locks
from flows.bridge.planner import Plan, Target, look, make_plan
from flows.bridge.process import Ended
from flows.bridge.repair import pipeline_folder
from flows.bridge.stage_run import run_stage
from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.leftovers import remove_leftovers
from tasks.errors import TaskError

if TYPE_CHECKING:
    from flows.fleet import Fleet

FETCH = "fetch:"  # before a unit: the name of what brings it in
CLAIM_WAIT = 1.0  # seconds between two tries to claim a subject that another flow works on


@dataclass
class Outcome:
    """done: addresses in order of completion.  failed: cause by address.  skipped: those downstream of a failure.

    messages: one line for every failure, which names stage and subject.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


@task(name="stage", task_run_name="{address}", cache_policy=NO_CACHE, persist_result=False, retries=0)
def stage_task(address: str, fleet: "Fleet", stage: Stage, timeout: float | None) -> State[Any]:
    """Bring one stage up to date and send it.  A failure comes back as a state: one line, not a traceback of ours."""
    logger = get_run_logger()
    with fleet.slots.take(fleet.settings.needs(stage.name), lambda: fleet.groups.ending) as free:
        if not free:
            raise Ended
        cause = run_stage(fleet.root, stage, fleet.groups, timeout, logger=logger)
    if cause is not None:
        return Failed(message=cause)
    if fleet.sharing is not None and stage.unit != PRIOR:
        try:
            fleet.sharing.publish(stage.unit, f"{stage.unit or 'shared'}: {stage.name}")
        except TaskError as error:  # the work is done, and the next run sends it: go on
            logger.warning("%s", error)
            fleet.unsent.append(str(error))
    return Completed(message=address)


@task(name="fetch", task_run_name="fetch {unit}", cache_policy=NO_CACHE, persist_result=False, retries=0)
def fetch_task(unit: str, fleet: "Fleet") -> State[Any]:
    """Take over what other machines finished of ``unit``."""
    assert fleet.sharing is not None
    try:
        fleet.sharing.fetch(unit)
    except TaskError as error:
        return Failed(message=str(error))
    return Completed()


def task_runner(limit: int) -> Any:
    """The task runner for a flow that calls ``run_plan``: one thread for every stage that may run at once."""
    return ThreadPoolTaskRunner(max_workers=limit)


def run_plan(fleet: "Fleet", plan: Plan, limit: int, timeout: float | None = None) -> Outcome:
    """Run ``plan`` inside a flow, at most ``limit`` stages at once, each at most ``timeout`` seconds.

    A stage is submitted when what it needs is done, so that a waiting one takes nobody's place.  A failed stage takes
    what follows it out of the run and leaves everything else alone.  A subject that another flow works on is left until
    that is over.  Where the common server is gone what runs is finished and nothing more begun.  However this ends, no
    process is left.
    """
    return _Run(fleet, plan, limit, timeout).run()


class _Run:
    """One run of a plan: what waits, what runs, and which units (subjects, or the shared stages) it has claimed."""

    def __init__(self, fleet: "Fleet", plan: Plan, limit: int, timeout: float | None):
        self._fleet = fleet
        self._plan = plan
        self._limit = limit
        self._timeout = timeout
        self._outcome = Outcome()
        self._waiting = dict(plan.stages)
        self._running: dict[str, PrefectFuture[Any]] = {}  # by address of the stage, or _fetch_of a unit
        self._futures: dict[str, PrefectFuture[Any]] = {}
        self._finished: SimpleQueue[str] = SimpleQueue()
        self._claims: dict[str, Callable[[], None]] = {}
        self._fetched: set[str] = set()

    def run(self) -> Outcome:
        try:
            while self._waiting or self._running:
                if not self._fleet.server_gone:
                    self._start_ready()
                if not self._running and (self._fleet.server_gone or not self._ready()):
                    break
                try:
                    # Also woken to claim subjects that others worked on.
                    name = self._finished.get(timeout=CLAIM_WAIT if self._others_work() else None)
                except Empty:
                    continue
                future = self._running.pop(name)
                future.wait()  # takes the final state over from the thread; before, it is the server's word
                if name in self._plan.stages:
                    self._record(name, future.state)
                else:
                    self._take_over(name.removeprefix(FETCH), future.state)
                self._give_back()
            self._outcome.skipped += self._waiting
        finally:
            self._fleet.groups.end_all()
            for give_back in self._claims.values():
                give_back()
            _sort_locks(self._fleet.root, self._plan)
        return self._outcome

    def _ready(self) -> list[str]:
        done = set(self._outcome.done)
        return [
            address
            for address, stage in self._waiting.items()
            if done.issuperset(self._plan.upstream(address)) and FETCH + stage.unit not in self._running
        ]

    def _others_work(self) -> bool:
        return any(self._waiting[address].unit not in self._claims for address in self._ready())

    def _start_ready(self) -> None:
        """Submit what can start: a stage of a unit that this run has claimed and fetched, or that fetch."""
        taken: set[str] = set()
        for address in self._ready():
            unit = self._waiting[address].unit
            if len(self._running) == self._limit:
                return
            if unit in taken or FETCH + unit in self._running:
                continue
            if unit not in self._claims:
                give_back = self._fleet.claims.claim(unit)
                if give_back is None:
                    taken.add(unit)
                    continue
                self._claims[unit] = give_back
                _remove_leftovers(self._fleet.root, unit)
            if self._fleet.sharing is not None and unit not in self._fetched:
                self._submitted(FETCH + unit, fetch_task.submit(unit=unit, fleet=self._fleet))
            else:
                self._submit(address)

    def _submit(self, address: str) -> None:
        stage = self._waiting.pop(address)
        submit: Any = stage_task.submit  # its overloads know no keyword 'wait_for' beside named parameters
        future = submit(
            address=address,
            fleet=self._fleet,
            stage=stage,
            timeout=self._timeout,
            wait_for=[self._futures[other] for other in self._plan.upstream(address) if other in self._futures],
        )
        self._futures[address] = future
        self._submitted(address, future)

    def _submitted(self, name: str, future: PrefectFuture[Any]) -> None:
        self._running[name] = future
        future.add_done_callback(partial(_put, self._finished, name))

    def _record(self, address: str, state: State[Any]) -> None:
        if state.is_completed():
            self._outcome.done.append(address)
        else:
            self._failed(address, state.message or f"ended in state {state.name}")

    def _failed(self, address: str, cause: str) -> None:
        self._outcome.failed[address] = cause
        stage = self._plan.stages[address]
        self._outcome.messages.append(f"{title(stage)} failed: {cause}")
        self._fleet.tell("stage-failed", subject=stage.unit, stage=stage.name, message=cause)

    def _take_over(self, unit: str, state: State[Any]) -> None:
        """After a fetch: what is left to do of the unit, which another machine may have finished meanwhile."""
        self._fetched.add(unit)
        own = [address for address, stage in self._waiting.items() if stage.unit == unit]
        if unit == SHARED:
            graph = look(self._fleet.root, [])
            left = graph.affected(stage.address for stage in graph.of(SHARED) if stage.reasons)
            broken = graph.broken.get(unit)
        else:
            plan = make_plan(self._fleet.root, [Target(unit)])
            left = set(plan.stages)
            broken = plan.broken.get(unit)
        if not state.is_completed():
            broken = state.message or f"ended in state {state.name}"
        if broken:
            self._failed(own[0], broken)
            self._outcome.skipped += own[1:]
        for address in own:
            if broken or address not in left:
                del self._waiting[address]
            if not broken and address not in left:
                self._outcome.done.append(address)

    def _give_back(self) -> None:
        """Release the units of which nothing runs and nothing more can start."""
        ready = {self._waiting[address].unit for address in self._ready()}
        running = {self._plan.stages[name].unit for name in self._running if name in self._plan.stages}
        fetched = {name.removeprefix(FETCH) for name in self._running if name not in self._plan.stages}
        for unit in self._claims.keys() - ready - running - fetched:
            self._fetched.discard(unit)
            self._claims.pop(unit)()
            if unit != SHARED and self._finished_unit(unit):
                self._fleet.tell("subject-finished", subject=unit, message="every stage is done")

    def _finished_unit(self, unit: str) -> bool:
        done = set(self._outcome.done)
        return all(address in done for address, stage in self._plan.stages.items() if stage.unit == unit)


def _put(finished: "SimpleQueue[str]", name: str, _future: PrefectFuture[Any]) -> None:
    finished.put(name)


def _sort_locks(root: Path, plan: Plan) -> None:
    """An unsorted lock is a lock too: where it cannot be written (disk full, read-only) the run ends no worse."""
    folders = [pipeline_folder(root, unit) for unit in sorted({stage.unit for stage in plan.stages.values()})]
    from dvc.exceptions import DvcException

    try:
        sort_locks(root, [folder / "dvc.yaml" for folder in folders if (folder / "dvc.yaml").exists()])
    except (OSError, DvcException) as error:
        logging.getLogger(__name__).warning("dvc.lock was not sorted: %s", error)


def _remove_leftovers(root: Path, unit: str) -> None:
    """Half-written files of stages that were killed; a stage that still runs elsewhere keeps its own."""
    if unit == SHARED:
        return
    folder = SubjectFolder.of(unit, root)
    records = [run_record.read(folder.runs, path.stem) for path in folder.runs.glob("*.json")]
    if not any(record and record.outcome == "running" for record in records):
        for place in (folder.root, folder.checkpoints, folder.runs):
            remove_leftovers(place)
