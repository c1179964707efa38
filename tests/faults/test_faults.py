"""After each fault one command brings the fleet to done, nothing finished is lost, and ``status`` never lies.

The quick ones run always; the others with ``ERLNET_FAULTS=all``, and in ``python -m benchmarks faults``.
"""

import os

import pytest

from tests.faults.fleet import Fleet
from tests.faults.scenarios import SCENARIOS
from tests.faults.suffering import CannotInject, Scenario, suffer


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_one_command_mends_it(scenario: Scenario, fleet: Fleet, request: pytest.FixtureRequest) -> None:
    if scenario.slow and os.environ.get("ERLNET_FAULTS") != "all":
        pytest.skip("slow: set ERLNET_FAULTS=all, or run 'python -m benchmarks faults'")
    if not scenario.embedded:
        fleet.environment["PREFECT_API_URL"] = request.getfixturevalue("server")
    try:
        account = suffer(fleet, scenario)
    except CannotInject as reason:
        pytest.skip(str(reason))
    assert account.lies == []
    assert account.status == 0, account.word
    assert account.left == []
    assert account.lost == []
    assert set(account.repeated) <= account.running
    assert sum(account.repeated.values()) <= 1
