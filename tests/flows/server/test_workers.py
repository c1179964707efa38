"""Two workers in two clones, a Prefect server on PostgreSQL, artifacts in S3: the whole fleet on the loopback.

The long one of the flows' tests: about a minute on an idle machine.
"""

from pathlib import Path
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from flows.remote.branch import Branch
from tests.flows.machines import give_flows, persistent_server, wait_for, worker
from tests.flows.test_bridge import processes_in
from tests.flows.toy import Toy

pytestmark = pytest.mark.slow


def onboard(client: SyncPrefectClient, video: Path, subject: str) -> UUID:
    """Ask for a run of the deployment; returns its id."""
    deployment = client.read_deployment_by_name("onboard/onboard")
    parameters = {"video": str(video), "subject": subject, "consent": "a test", "profile": "demo"}
    return client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id


def ended(client: SyncPrefectClient, run: UUID) -> str:
    """Name of the state in which the run ended, or nothing."""
    state = client.read_flow_run(run).state
    return state.name if state and state.is_final() else ""


@pytest.mark.usefixtures("s3")
def test_a_cancelled_onboarding_is_continued_by_the_other_worker(
    clones: tuple[Toy, Toy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = clones
    for toy in clones:
        give_flows(toy)
    shared = {"ERLNET_SHARE": "true", "ERLNET_REMOTE": "s3://erlnet/workers"}
    videos = {subject: tmp_path / f"{subject}.mp4" for subject in "ab"}
    for subject, video in videos.items():
        video.write_text(f"video of {subject}")
    one.control("a", "track", "hang hard")
    with (
        persistent_server() as address,
        temporary_settings({PREFECT_API_URL: address}),
        get_client(sync_client=True) as client,
    ):
        with worker(one, address, **shared):
            run = onboard(client, videos["a"], "a")
            wait_for(lambda: "a:track" in one.started())
            assert len(processes_in(one.root)) >= 4  # the worker, the flow, dvc, the stage and its child
            client.set_flow_run_state(run, Cancelling())
            assert wait_for(lambda: ended(client, run)) == "Cancelled"
            # What is left in the checkout is the worker alone: the stage's whole group is gone, deaf or not.
            wait_for(lambda: len(processes_in(one.root)) == 1)
            assert "worker" in processes_in(one.root)[0].cmdline()
        assert one.started() == ["a:crop", "a:track"]

        with worker(two, address, **shared):
            # Both at once: one continues, the other begins.
            runs = [onboard(client, videos[subject], subject) for subject in "ab"]
            assert [wait_for(lambda run=run: ended(client, run), 240) for run in runs] == ["Completed", "Completed"]
        # The schedule lives: what is due at night is planned (it is not, where Prefect's scheduler breaks).
        refresh = client.read_deployment_by_name("refresh/refresh")
        assert wait_for(lambda: [run for run in client.read_flow_runs() if run.deployment_id == refresh.id])
    assert sorted(two.started()) == ["a:report", "a:track", "b:crop", "b:report", "b:track"]
    assert (two.folder("a") / "report.html").read_text() == "video of acroptrackreport"

    monkeypatch.chdir(one.root)
    branch = Branch(one.root, "origin", "fleet")
    assert branch.receive() == ["a", "b"]
    assert branch.unsent() == []
    for subject in "ab":
        text = (one.folder(subject) / "dvc.lock").read_text()
        assert text == (two.folder(subject) / "dvc.lock").read_text()
        assert list(yaml.safe_load(text)["stages"]) == ["crop", "track", "report"]
