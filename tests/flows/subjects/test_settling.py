"""What a running server still holds in memory does not come after a removal has searched the database."""

import time
from pathlib import Path

import pytest

from flows.limits.leases import Leases
from flows.subjects import settling
from flows.subjects.prefect_data import database_url, forget, mentions
from flows.subjects.traces import Person
from tasks.errors import StageFailed


@pytest.mark.usefixtures("prefect_server")
def test_nothing_is_written_after_the_search(tmp_path: Path) -> None:
    url = database_url()
    assert url is not None
    person = Person(["ludmilla"])
    leases = Leases(tmp_path)
    lease = leases.acquire("erlnet-subject-ludmilla", 1)  # the server tells of the new limit in an event
    assert lease is not None
    leases.release(lease)
    leases.close()
    settling.settle()
    assert mentions(url, person).keys() == {"concurrency_limit_v2", "events", "event_resources"}
    forget(url, person)
    assert mentions(url, person) == {}
    time.sleep(2.5)  # two more rounds of the server's
    assert mentions(url, person) == {}


def test_a_server_that_is_gone_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setattr(settling, "PATIENCE", 0.0)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        settling.settle()


@pytest.mark.usefixtures("prefect_server")
def test_a_server_that_does_not_get_to_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PATIENCE", 0.0)
    monkeypatch.setattr(settling, "_written", lambda answer: False)
    with pytest.raises(StageFailed, match="has not written an event"):
        settling.settle()
