"""Flow ``prior``: a prior of the ADF is learned from the subjects that params.yaml names."""

from typing import Any

from prefect import flow

from flows.bridge.planner import Target
from flows.bridge.runner import stage_task, task_runner
from flows.corpus import NEEDED, STAGE, chosen, write_prior_pipeline
from flows.events import HOOKS
from flows.fleet import open_fleet
from flows.outcome import one_line
from flows.repro import LIMIT, MOST, STAGE_TIMEOUT, Limit, Timeout, reproduce
from tasks.artifacts.layout import repository_root
from tasks.errors import BadInput, StageFailed


@flow(name="prior", persist_result=False, task_runner=task_runner(MOST), **HOOKS)
@one_line
def prior(limit: Limit = LIMIT, stage_timeout: Timeout = STAGE_TIMEOUT) -> None:
    """Bring the subjects of the corpus up to date through track and speech, then train the prior where it is stale.

    No other stage of these subjects runs.  Subjects that start from the prior (``adf.prior: corpus``) are stale
    afterwards, if it came out different; 'erlnet repro' trains them.
    """
    root = repository_root()
    with open_fleet(root) as fleet:
        if fleet.sharing:
            fleet.sharing.receive()  # a subject may have been registered on another machine
        corpus = chosen(root)
        targets = [Target(member.id, stage) for member in corpus.members for stage in NEEDED]
        reproduce(fleet, targets, limit, stage_timeout)
    with open_fleet(root) as fleet:  # processes of its own: those of the run above are ended
        give_back = fleet.claims.claim(STAGE.unit)
        if give_back is None:
            raise BadInput("another flow trains the corpus prior: wait for its end, or interrupt it")
        try:
            write_prior_pipeline(root, corpus)
            submit: Any = stage_task.submit  # its overloads know no keyword arguments beside named parameters
            future = submit(address=STAGE.address, fleet=fleet, stage=STAGE, timeout=stage_timeout)
            future.wait()
            if not future.state.is_completed():
                raise StageFailed(f"the corpus prior failed: {future.state.message}")
        finally:
            give_back()
