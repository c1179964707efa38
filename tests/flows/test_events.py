"""What operators are told, by file and by webhook."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flows import events
from flows.repro import repro
from flows.settings import load_settings
from tests.flows.toy import Toy


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict]]:
    """What was posted to the webhook of the settings, whose first answer is an error."""
    posted: list[dict] = []
    refused: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not refused:
                refused.append(body)
                self.send_error(503)
                return
            posted.append(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(events, "PAUSES", (0.0,))
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("ERLNET_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook")
    yield posted
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("prefect_server")
def test_failures_and_finished_subjects_are_told(
    toy: Toy, webhook: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERLNET_EVENTS", "out/events.jsonl")
    toy.onboard("a")
    toy.onboard("b")
    toy.control("a", "track", "fail")
    state = repro(return_state=True)
    assert state.is_failed()
    told = {(event["kind"], event.get("subject"), event.get("stage"), event["message"]) for event in webhook}
    assert told == {
        ("stage-failed", "a", "track", "the toy broke"),
        ("subject-finished", "b", None, "every stage is done"),
        ("flow-failed", None, None, "track of subject a failed: the toy broke"),
    }
    assert all(event["flow_run"] and event["machine"] for event in webhook)
    lines = (toy.root / "out" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == webhook


def test_telling_never_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("ERLNET_ROOT", str(tmp_path))
    monkeypatch.setattr(events, "PAUSES", ())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ERLNET_EVENTS", "file/events.jsonl")
    monkeypatch.setenv("ERLNET_WEBHOOK", "http://127.0.0.1:9/hook")
    events.tell(load_settings(), tmp_path, "stage-failed", subject="a")
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "event stage-failed could not be written",
        "event stage-failed could not be posted",
    ]


@pytest.mark.usefixtures("prefect_server")
def test_old_runs_are_removed_and_nothing_else(toy: Toy) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Completed, Running, Scheduled

    from flows.clean_up import clean_up, remove_runs

    with get_client(sync_client=True) as client:
        ended = client.create_flow_run(repro, state=Running())
        client.set_flow_run_state(ended.id, Completed(), force=True)
        waiting = client.create_flow_run(repro, state=Scheduled())
        running = client.create_flow_run(repro, state=Running())
        ids = {run.id for run in client.read_flow_runs()}
        assert remove_runs(client, datetime.now(UTC) - timedelta(days=1)) == 0
        assert {run.id for run in client.read_flow_runs()} == ids
        assert remove_runs(client, datetime.now(UTC) + timedelta(minutes=1)) >= 1
        left = {run.id for run in client.read_flow_runs()}
        assert ended.id not in left
        assert {waiting.id, running.id} <= left
    assert clean_up(keep_days=1, return_state=True).is_completed()
