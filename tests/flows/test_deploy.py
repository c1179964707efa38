"""``prefect deploy --all`` against a temporary server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.flows.toy import PROJECT


@pytest.mark.usefixtures("prefect_server")
def test_all_deployments_with_their_parameters_and_without_paths_of_this_machine(tmp_path: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    assert url
    environment = {
        **{name: value for name, value in os.environ.items() if name != "ERLNET_ROOT"},
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_CLI_PROMPT": "false",
    }
    for arguments in (["work-pool", "create", "erlnet", "--type", "process"], ["--no-prompt", "deploy", "--all"]):
        subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=PROJECT, env=environment, check=True, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    with get_client(sync_client=True) as client:
        deployments = {deployment.name: deployment for deployment in client.read_deployments()}
    assert set(deployments) == {"onboard", "refresh", "animate", "clean-up", "prior"}
    for deployment in deployments.values():
        assert deployment.work_pool_name == "erlnet"
        assert deployment.enforce_parameter_schema
        assert deployment.pull_steps == [
            {"prefect.deployments.steps.set_working_directory": {"directory": "{{ $ERLNET_ROOT }}"}}
        ]
        assert str(PROJECT) not in deployment.model_dump_json()

    onboard = deployments["onboard"].parameter_openapi_schema
    assert onboard["required"] == ["video", "subject", "consent"]
    assert onboard["properties"]["subject"]["pattern"] == "^[a-z0-9][a-z0-9_-]{0,62}$"
    assert onboard["properties"]["limit"]["minimum"] == 1
    assert deployments["animate"].parameter_openapi_schema["required"] == ["subject", "out"]
    refresh = deployments["refresh"]
    assert refresh.parameter_openapi_schema.get("required", []) == []
    (schedule,) = refresh.schedules
    assert schedule.schedule.cron == "0 2 * * *"


@pytest.mark.usefixtures("prefect_server")
def test_flows_refuse_parameters_of_the_wrong_kind() -> None:
    from prefect.exceptions import ParameterTypeError

    from flows.onboard import onboard
    from flows.refresh import refresh

    with pytest.raises(ParameterTypeError, match="should match pattern"):
        onboard(video=Path("x"), subject="Not an id", consent="yes")
    with pytest.raises(ParameterTypeError, match="greater than or equal to 1"):
        refresh(limit=0)


@pytest.mark.parametrize("file", ["prefect.yaml", "deploy/docker-pool.yaml", "deploy/kubernetes-pool.yaml"])
def test_every_entrypoint_exists(file: str) -> None:
    configuration = yaml.safe_load((PROJECT / file).read_text())
    for deployment in configuration["deployments"]:
        path, _, name = deployment["entrypoint"].partition(":")
        assert f"def {name}(" in (PROJECT / path).read_text()
